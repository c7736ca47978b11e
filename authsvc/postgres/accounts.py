"""Accounts in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.clock import Deadline
from authsvc.domain.origin import Origin
from authsvc.postgres.database import Connection, Database, Row
from authsvc.postgres.sessions import end_sessions_of_disabled

_GIVEN: Final = "account_id, display_name, state, create_time, is_system"
# The revision is given by a trigger, which logs the change.
_COLUMNS: Final = f"{_GIVEN}, revision"
SELECT_ACCOUNT: Final = f"SELECT {_COLUMNS} FROM authsvc.accounts WHERE account_id = $1"
_FIND_MANY: Final = f"SELECT {_COLUMNS} FROM authsvc.accounts WHERE account_id = ANY($1::text[])"
_FIND_SYSTEM: Final = f"SELECT {_COLUMNS} FROM authsvc.accounts WHERE is_system"
_FIND_FIRST: Final = f"""
SELECT {_COLUMNS} FROM authsvc.accounts WHERE NOT is_system ORDER BY account_id LIMIT 1
"""
_LIST: Final = f"""
SELECT {_COLUMNS} FROM authsvc.accounts WHERE account_id > $1 ORDER BY account_id LIMIT $2
"""
_INSERT: Final = f"INSERT INTO authsvc.accounts ({_GIVEN}) VALUES ($1, $2, $3, $4, $5)"
_REPLACE: Final = f"""
UPDATE authsvc.accounts SET display_name = $3, state = $4
 WHERE account_id = $1 AND revision = $2
RETURNING {_COLUMNS}
"""


class PostgresAccounts:
    """Reads and writes accounts."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def find_account(self, account_id: str, deadline: Deadline) -> Account | None:
        """Return the account, or None when there is no such account."""
        row = await self._database.fetch_row(deadline, SELECT_ACCOUNT, account_id)
        return None if row is None else account_of(row)

    async def find_accounts(
        self, account_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, Account]:
        """Return those accounts that exist."""
        rows = await self._database.fetch_rows(deadline, _FIND_MANY, account_ids)
        return {row["account_id"]: account_of(row) for row in rows}

    async def find_first_account(self, deadline: Deadline) -> Account | None:
        """Return the oldest account that is not the system account, or None."""
        row = await self._database.fetch_row(deadline, _FIND_FIRST)
        return None if row is None else account_of(row)

    async def list_accounts(
        self, *, after_account_id: str, limit: int, deadline: Deadline
    ) -> list[Account]:
        """Return up to `limit` accounts whose ids sort after `after_account_id`, in order."""
        rows = await self._database.fetch_rows(deadline, _LIST, after_account_id, limit)
        return [account_of(row) for row in rows]

    async def insert_account(self, account: Account, origin: Origin, deadline: Deadline) -> Account:
        """Keep a new account, and return it with the revision of this change."""

        async def insert(connection: Connection) -> int:
            revision: int = await connection.fetchval(
                f"{_INSERT} RETURNING revision", *_values(account)
            )
            return revision

        revision = await self._database.change(origin, insert, deadline)
        return replace(account, revision=revision)

    async def replace_account(
        self, account: Account, now: datetime, origin: Origin, deadline: Deadline
    ) -> Account | None:
        """Write what may change, if the account still has the revision of `account`.

        The sessions of the users of an account that is disabled are ended: here the first of them,
        the others by `end_sessions_of_disabled`.

        Returns:
            The account with its new revision; None when it has another one, or is gone.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def write(connection: Connection) -> Row | None:
            row = await connection.fetchrow(
                _REPLACE,
                account.account_id,
                account.revision,
                account.display_name,
                account.state.value,
            )
            if row is not None and account.state is AccountState.DISABLED:
                await end_sessions_of_disabled(connection, account.account_id, now)
            return row

        row = await self._database.change(origin, write, deadline)
        return None if row is None else account_of(row)

    async def end_sessions_of_disabled(
        self, account_id: str, now: datetime, origin: Origin, deadline: Deadline
    ) -> bool:
        """End sessions that an account has left if it is disabled, a step of them.

        Returns:
            True when there may be more.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        return await self._database.change(
            origin,
            lambda connection: end_sessions_of_disabled(connection, account_id, now),
            deadline,
        )

    async def ensure_system_account(
        self, account: Account, origin: Origin, deadline: Deadline
    ) -> Account:
        """Return the system account; keep this one when there is none yet."""

        async def ensure(connection: Connection) -> Row | None:
            await connection.execute(
                f"{_INSERT} ON CONFLICT (is_system) WHERE is_system DO NOTHING", *_values(account)
            )
            return await connection.fetchrow(_FIND_SYSTEM)

        row = await self._database.change(origin, ensure, deadline)
        return account if row is None else account_of(row)


def _values(account: Account) -> tuple[object, ...]:
    return (
        account.account_id,
        account.display_name,
        account.state.value,
        account.create_time,
        account.is_system,
    )


def account_of(row: Row) -> Account:
    """Read a row that has all columns of an account."""
    columns = dict(row)
    columns["state"] = AccountState(row["state"])
    return Account(**columns)
