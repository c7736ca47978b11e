"""Users in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import LastOwner
from authsvc.domain.origin import Origin
from authsvc.domain.sessions import SessionEndReason
from authsvc.domain.users import User, UserRecord, UserRole, UserWithPassword
from authsvc.postgres.database import Connection, Database, Row
from authsvc.postgres.sessions import end_sessions_of

_COLUMNS: Final = """
user_id, account_id, email, display_name, role, disabled, password_change_time, create_time,
last_login_time, revision
"""
_SELECT: Final = f"SELECT {_COLUMNS} FROM authsvc.users WHERE user_id = $1"
_FIND_RECORDS: Final = """
SELECT user_id, account_id, role, disabled FROM authsvc.users WHERE user_id = ANY($1::text[])
"""
_FIND_BY_EMAIL: Final = f"SELECT {_COLUMNS}, password_hash FROM authsvc.users WHERE email_key = $1"
_FIND_HASH: Final = "SELECT password_hash FROM authsvc.users WHERE user_id = $1"
# A range and no equality, as for keys: only the index on (account_id, user_id) gives the order.
_LIST: Final = f"""
SELECT {_COLUMNS} FROM authsvc.users
 WHERE (account_id, user_id) > ($1, $2) AND account_id <= $1
 ORDER BY account_id, user_id LIMIT $3
"""
# The revision is given by a trigger, which logs the change.
_INSERT: Final = """
INSERT INTO authsvc.users (user_id, account_id, email, email_key, display_name, role,
                           password_hash, password_change_time, create_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING revision
"""
_HAS_OTHER_OWNER: Final = """
SELECT EXISTS (SELECT FROM authsvc.users
                WHERE account_id = $1 AND user_id <> $2 AND role = 'OWNER' AND NOT disabled)
"""
_REPLACE: Final = f"""
UPDATE authsvc.users SET display_name = $3, role = $4, disabled = $5
 WHERE user_id = $1 AND revision = $2
RETURNING {_COLUMNS}
"""
_SET_PASSWORD: Final = f"""
UPDATE authsvc.users SET password_hash = $2, password_change_time = $3
 WHERE user_id = $1 AND ($4::timestamptz IS NULL OR password_change_time = $4)
RETURNING {_COLUMNS}
"""
_REHASH: Final = """
UPDATE authsvc.users SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2
"""


class PostgresUsers:
    """Reads and writes users."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def find_user(self, user_id: str, deadline: Deadline) -> User | None:
        """Return the user, or None when there is no such user."""
        row = await self._database.fetch_row(deadline, _SELECT, user_id)
        return None if row is None else _user_of(row)

    async def find_user_records(
        self, user_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, UserRecord]:
        """Return the records of those users that exist."""
        rows = await self._database.fetch_rows(deadline, _FIND_RECORDS, user_ids)
        return {
            row["user_id"]: UserRecord(
                row["user_id"], row["account_id"], UserRole(row["role"]), row["disabled"]
            )
            for row in rows
        }

    async def find_user_by_email(
        self, email_key: str, deadline: Deadline
    ) -> UserWithPassword | None:
        """Return the user with this address and the hash of its password; or None."""
        row = await self._database.fetch_row(deadline, _FIND_BY_EMAIL, email_key)
        return None if row is None else UserWithPassword(_user_of(row), row["password_hash"])

    async def find_password_hash(self, user_id: str, deadline: Deadline) -> str | None:
        """Return the hash of the user's password, or None when there is none."""
        row = await self._database.fetch_row(deadline, _FIND_HASH, user_id)
        return None if row is None else row["password_hash"]

    async def list_users(
        self, account_id: str, *, after_user_id: str, limit: int, deadline: Deadline
    ) -> list[User]:
        """Return up to `limit` users whose ids sort after `after_user_id`, in order."""
        rows = await self._database.fetch_rows(deadline, _LIST, account_id, after_user_id, limit)
        return [_user_of(row) for row in rows]

    async def insert_user(
        self,
        user: User,
        *,
        email_key: str,
        password_hash: str | None,
        origin: Origin,
        deadline: Deadline,
    ) -> User:
        """Keep a new user.

        Returns:
            The user with the revision of this change.

        Raises:
            EmailTaken: A user has this email address already.
            AccountNotFound: There is no such account.
            CallerCredentialInvalid: The caller's own was ended since the call came.
            CallerNotPermitted: It was narrowed since.
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def insert(connection: Connection) -> int:
            revision: int = await connection.fetchval(
                _INSERT,
                user.user_id,
                user.account_id,
                user.email,
                email_key,
                user.display_name,
                user.role.value,
                password_hash,
                user.password_change_time,
                user.create_time,
            )
            return revision

        revision = await self._database.change(origin, insert, deadline)
        return replace(user, revision=revision)

    async def replace_user(
        self, user: User, now: datetime, origin: Origin, deadline: Deadline
    ) -> User | None:
        """Write what may change, if the user still has the revision of `user`.

        The sessions of a user that is disabled are ended.

        Returns:
            The user with its new revision; None when it has another one, or is gone.

        Raises:
            LastOwner: The account would be left without an active owner.
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def write(connection: Connection) -> Row | None:
            # Of two owners who disable each other at once, one sees here what the other did.
            before = await connection.fetchrow(_SELECT, user.user_id)
            if before is None or before["revision"] != user.revision:
                return None
            if (
                _user_of(before).is_active_owner
                and not user.is_active_owner
                and not await connection.fetchval(_HAS_OTHER_OWNER, user.account_id, user.user_id)
            ):
                raise LastOwner
            row = await connection.fetchrow(
                _REPLACE,
                user.user_id,
                user.revision,
                user.display_name,
                user.role.value,
                user.disabled,
            )
            if user.disabled:
                reason = SessionEndReason.USER_DISABLED
                await end_sessions_of(connection, user.user_id, reason, now, except_session_id="")
            return row

        row = await self._database.change(origin, write, deadline)
        return None if row is None else _user_of(row)

    async def set_password(
        self,
        user_id: str,
        *,
        password_hash: str,
        last_change_time: datetime | None,
        change_time: datetime,
        except_session_id: str,
        origin: Origin,
        deadline: Deadline,
    ) -> User | None:
        """Give a user another password, and end its sessions but for one.

        Args:
            user_id: The user.
            password_hash: That of the new password.
            last_change_time: When the present password has to have been set; None: whenever.
            change_time: The present.
            except_session_id: A session that goes on; may be empty.
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            The user with its new revision; None when there is no such user, or it has another
            password.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def write(connection: Connection) -> Row | None:
            row = await connection.fetchrow(
                _SET_PASSWORD, user_id, password_hash, change_time, last_change_time
            )
            if row is None:
                return None
            reason = SessionEndReason.PASSWORD_CHANGED
            await end_sessions_of(connection, user_id, reason, change_time, except_session_id)
            return row

        row = await self._database.change(origin, write, deadline)
        return None if row is None else _user_of(row)

    async def rehash_password(
        self, user_id: str, old_hash: str, new_hash: str, deadline: Deadline
    ) -> None:
        """Put another hash of the same password in the place of one, if that is still there.

        It is no change of the user, and nothing tells of it.
        """
        await self._database.fetch_row(deadline, _REHASH, user_id, old_hash, new_hash)


def _user_of(row: Row) -> User:
    return User(
        user_id=row["user_id"],
        account_id=row["account_id"],
        email=row["email"],
        display_name=row["display_name"],
        role=UserRole(row["role"]),
        disabled=row["disabled"],
        password_change_time=row["password_change_time"],
        create_time=row["create_time"],
        last_login_time=row["last_login_time"],
        revision=row["revision"],
    )
