"""The one way in which statements reach Postgres.

Every piece of work is bound by its call's deadline and ends in a domain error when the database
cannot do it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import asyncpg

from authsvc.domain.clock import Deadline
from authsvc.domain.origin import Origin
from authsvc.postgres.actors import BEGIN_CHANGE, check_actor, origin_value
from authsvc.postgres.connection import Connection as Connection  # noqa: PLC0414 - what work gets
from authsvc.postgres.connection import Row as Row  # noqa: PLC0414 - and what statements return
from authsvc.postgres.errors import translate
from authsvc.postgres.figures import DatabaseFigures
from authsvc.postgres.history import History
from authsvc.postgres.pool import Pool, PoolSize
from authsvc.postgres.statement_spans import StatementSpans

T = TypeVar("T")

# Ends with the transaction: what the triggers of the audit log read (docs/adr/0010).
_TELL_ORIGIN: Final = "SELECT set_config('authsvc.origin', $1, true)"


class Database:
    """A database, by way of a pool of connections."""

    def __init__(self, pool: Pool) -> None:
        """Use `Database.open`."""
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        pool_size: int,
        statement_timeout: timedelta,
        spans: StatementSpans | None = None,
    ) -> AsyncIterator[Database]:
        """Open the pool, and close it at the end.

        Args:
            url: `postgresql://user@host/database`, with `?host=` for a socket directory.
            pool_size: The most connections; at least 1.
            statement_timeout: How long the server itself lets a statement run, wait for a lock,
                or leave a transaction idle.
            spans: Makes spans of statements and of waits for a connection; None without traces.

        Raises:
            DatabaseUnavailable: The database cannot be reached.
        """
        async with Pool.open(
            url, size=pool_size, statement_timeout=statement_timeout, spans=spans
        ) as pool:
            yield cls(pool)

    @property
    def figures(self) -> DatabaseFigures:
        """What was counted about the work."""
        return self._pool.figures

    @property
    def history(self) -> History:
        """What the pool's connections have met, and whoever connects beside it is to heed."""
        return self._pool.history

    async def run(self, work: Callable[[Connection], Awaitable[T]], deadline: Deadline) -> T:
        """Do a piece of work on a connection: several statements, each of which is done or not.

        Args:
            work: What to do; it gets a connection of its own.
            deadline: How long waiting for a connection and the work may take together.

        Raises:
            DatabaseUnavailable: There was no connection or no answer in time.
            AuthsvcError: What a violated constraint means.
        """
        return await self._in_time(lambda: self._pool.lend(work), deadline)

    async def run_unit(self, work: Callable[[Connection], Awaitable[T]], deadline: Deadline) -> T:
        """Do what is one statement or one transaction, and so is done whole or not at all.

        If a server refuses it that is no longer the primary, it is tried once more.

        Args:
            work: What to do; it gets a connection of its own, and perhaps later another.
            deadline: As for `run`.

        Raises:
            DatabaseUnavailable: There was no connection or no answer in time.
            AuthsvcError: What a violated constraint means.
        """

        async def once_or_twice() -> T:
            try:
                return await self._pool.lend(work)
            except asyncpg.ReadOnlySQLTransactionError:
                self.figures.repeats += 1
                return await self._pool.lend(work)

        return await self._in_time(once_or_twice, deadline)

    async def leave_server(self) -> None:
        """Replace every connection before it is used again: another server is the primary now."""
        await self._pool.leave_server()

    async def run_in_transaction(
        self, work: Callable[[Connection], Awaitable[T]], deadline: Deadline
    ) -> T:
        """Do a piece of work on a connection, whole or not at all. See `run_unit`."""

        async def in_transaction(connection: Connection) -> T:
            await connection.execute("BEGIN")
            try:
                result = await work(connection)
            except Exception:
                await connection.execute("ROLLBACK")
                raise
            # An interrupted transaction is rolled back by `_release`: when the server hangs, the
            # driver's own transaction block would wait here for the end of that ROLLBACK.
            await connection.execute("COMMIT")
            return result

        return await self.run_unit(in_transaction, deadline)

    async def change(
        self, origin: Origin, work: Callable[[Connection], Awaitable[T]], deadline: Deadline
    ) -> T:
        """Change what is audited, whole or not at all, one change after the other.

        The lock of all changes is taken before any row is locked, so that no two of them wait for
        each other.

        Args:
            origin: Where the change comes from; triggers write it to the audit log.
            work: As for `run`. Nobody else changes anything meanwhile.
            deadline: As for `run`.

        Raises:
            CallerCredentialInvalid: The actor's own credential was ended since the call came.
            CallerNotPermitted: It was narrowed since.
            DatabaseUnavailable: There was no connection or no answer in time.
            AuthsvcError: What a violated constraint means.
        """

        async def begin_and_work(connection: Connection) -> T:
            found = await connection.fetchrow(BEGIN_CHANGE, origin_value(origin))
            assert found is not None  # noqa: S101 - a function without a set has one row
            check_actor(origin, dict(found))
            return await work(connection)

        return await self.run_in_transaction(begin_and_work, deadline)

    async def add_audited(
        self, origin: Origin, work: Callable[[Connection], Awaitable[T]], deadline: Deadline
    ) -> T:
        """Add what is audited, but is no change that others have to hear of, such as a log-in.

        It takes no turn among the changes, and nobody looks whether its actor is good: `work` does.

        Args:
            origin: As for `change`.
            work: As for `run`.
            deadline: As for `run`.

        Raises:
            DatabaseUnavailable: There was no connection or no answer in time.
            AuthsvcError: What a violated constraint means.
        """

        async def tell_and_work(connection: Connection) -> T:
            await connection.execute(_TELL_ORIGIN, origin_value(origin))
            return await work(connection)

        return await self.run_in_transaction(tell_and_work, deadline)

    async def fetch_row(self, deadline: Deadline, statement: str, *values: Any) -> Row | None:  # noqa: ANN401 - asyncpg takes any value
        """Return the first row of a statement, or None. See `run_unit`."""
        return await self.run_unit(
            lambda connection: connection.fetchrow(statement, *values), deadline
        )

    async def fetch_rows(self, deadline: Deadline, statement: str, *values: Any) -> list[Row]:  # noqa: ANN401 - asyncpg takes any value
        """Return all rows of a statement. See `run_unit`."""
        return await self.run_unit(
            lambda connection: connection.fetch(statement, *values), deadline
        )

    async def ping(self, deadline: Deadline) -> None:
        """Ask the database for a sign of life.

        Raises:
            DatabaseUnavailable: There was none in time.
        """
        await self.run(lambda connection: connection.fetchval("SELECT 1"), deadline)

    def pool_size(self) -> PoolSize:
        """Tell how many connections there are."""
        return self._pool.size()

    async def _in_time(self, do: Callable[[], Awaitable[T]], deadline: Deadline) -> T:
        try:
            async with asyncio.timeout(deadline.remaining()):
                return await do()
        except Exception as error:
            self.figures.count_error(error)
            raise translate(error) from error
