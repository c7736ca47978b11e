"""The connection pool, and the one way in which statements reach Postgres.

Every piece of work is bound by its call's deadline and ends in a domain error when the database
cannot do it. Works with PostgreSQL 14 and newer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import asyncpg

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import AuthsvcError, DatabaseUnavailable
from authsvc.domain.origin import Origin
from authsvc.postgres.actors import BEGIN_CHANGE, check_actor, origin_value
from authsvc.postgres.connecting import connect_to_primary
from authsvc.postgres.errors import is_of_a_former_primary, translate
from authsvc.postgres.figures import DatabaseFigures
from authsvc.postgres.history import History
from authsvc.postgres.session_limits import SessionLimits
from authsvc.postgres.statement_spans import StatementSpans, watching

T = TypeVar("T")
Row: TypeAlias = asyncpg.Record
# Generic in its stubs only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

APPLICATION_NAME: Final = "authsvc"
# Ends with the transaction: what the triggers of the audit log read (docs/adr/0010).
_TELL_ORIGIN: Final = "SELECT set_config('authsvc.origin', $1, true)"
_PASSING: Final = SessionLimits.all_of(timedelta(seconds=10))
# How long an interrupted statement may take to end before its connection is given up.
_RELEASE_TIMEOUT_SECONDS: Final = 1.0


class DatabaseUrlUnreadable(AuthsvcError):
    """The database's URL cannot be read."""

    def __init__(self) -> None:
        """Say what most often is wrong, and repeat nothing: it may be of the password."""
        super().__init__(
            "AUTHSVC_DATABASE_URL cannot be read as a URL; special characters of the user and the "
            "password are percent-encoded, such as # as %23"
        )


async def connect(
    url: str, limits: SessionLimits = _PASSING, *, history: History | None = None
) -> Connection:
    """Open a connection outside of any pool, for migrations and for following changes.

    Args:
        url: As for `Database.open`.
        limits: What the server itself bounds; by default, ten seconds for each thing.
        history: What this process has met, if it must not go back to an older primary.

    Raises:
        DatabaseUrlUnreadable: The URL makes no sense.
        DatabaseUnavailable: The database cannot be reached.
    """
    try:
        return await connect_to_primary(
            url, history=history, server_settings=_server_settings(limits)
        )
    except Exception as error:
        if isinstance(error, ValueError) and not isinstance(error, asyncpg.InterfaceError):
            # Its words repeat what cannot be read.
            raise DatabaseUrlUnreadable from None
        raise translate(error) from error


def _server_settings(limits: SessionLimits) -> dict[str, str]:
    """Return what each session of ours begins with, in the pool or beside it."""
    return {"application_name": APPLICATION_NAME, **limits.as_server_settings()}


async def _keep_session(_connection: object) -> None:
    """Reset nothing: no statement here changes its session, and a reset costs a round trip."""


class PoolSize(NamedTuple):
    """How many connections a pool has, and may have."""

    busy: int
    idle: int
    limit: int


class Database:
    """A pool of connections to one database."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        history: History,
        spans: StatementSpans | None = None,
    ) -> None:
        """Use `Database.open`."""
        self._pool = pool
        self._spans = spans
        self.figures = DatabaseFigures()
        self.history = history
        """What the pool's connections have met, and whoever connects beside it is to heed."""
        history.when_newer(self.leave_server)
        self._releases: set[asyncio.Task[None]] = set()

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
        history = History()
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=pool_size,
                connect=partial(connect_to_primary, history=history),
                reset=_keep_session,
                init=None if spans is None else watching(spans),
                server_settings=_server_settings(SessionLimits.all_of(statement_timeout)),
            )
        except Exception as error:
            raise translate(error) from error
        database = cls(pool, history, spans)
        try:
            yield database
        finally:
            await database._close()

    async def run(self, work: Callable[[Connection], Awaitable[T]], deadline: Deadline) -> T:
        """Do a piece of work on a connection.

        Args:
            work: What to do; it gets a connection of its own.
            deadline: How long waiting for a connection and the work may take together.

        Raises:
            DatabaseUnavailable: There was no connection or no answer in time.
            AuthsvcError: What a violated constraint means.
        """
        try:
            async with asyncio.timeout(deadline.remaining()):
                try:
                    return await self._on_connection(work)
                except asyncpg.ReadOnlySQLTransactionError:
                    # Refused by a server that is no longer the primary, so nothing was done.
                    return await self._on_connection(work)
        except Exception as error:
            self.figures.count_error(error)
            raise translate(error) from error

    async def leave_server(self) -> None:
        """Replace every connection before it is used again: another server is the primary now."""
        await self._pool.expire_connections()

    async def run_in_transaction(
        self, work: Callable[[Connection], Awaitable[T]], deadline: Deadline
    ) -> T:
        """Do a piece of work on a connection, whole or not at all. See `run`."""

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

        return await self.run(in_transaction, deadline)

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
        """Return the first row of a statement, or None. See `run`."""
        return await self.run(lambda connection: connection.fetchrow(statement, *values), deadline)

    async def fetch_rows(self, deadline: Deadline, statement: str, *values: Any) -> list[Row]:  # noqa: ANN401 - asyncpg takes any value
        """Return all rows of a statement. See `run`."""
        return await self.run(lambda connection: connection.fetch(statement, *values), deadline)

    async def ping(self, deadline: Deadline) -> None:
        """Ask the database for a sign of life.

        Raises:
            DatabaseUnavailable: There was none in time.
        """
        await self.run(lambda connection: connection.fetchval("SELECT 1"), deadline)

    def pool_size(self) -> PoolSize:
        """Tell how many connections there are."""
        pool = self._pool
        idle = pool.get_idle_size()
        return PoolSize(pool.get_size() - idle, idle, pool.get_max_size())

    async def _on_connection(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection: Any = await self._acquire()
        began = time.monotonic()
        try:
            result = await work(connection)
        except asyncio.CancelledError:
            # A statement is still running. Its end is awaited behind the caller's back: when the
            # server hangs, the caller must get its answer before its deadline all the same.
            task = asyncio.create_task(self._release(connection))
            self._releases.add(task)
            task.add_done_callback(self._releases.discard)
            raise
        except BaseException as error:
            if is_of_a_former_primary(error):
                await self.leave_server()
            await self._pool.release(connection)
            raise
        finally:
            self.figures.works.add(time.monotonic() - began)
        await self._pool.release(connection)
        return result

    async def _acquire(self) -> Any:  # noqa: ANN401 - the pool's proxy
        figures, began = self.figures, time.monotonic()
        figures.waiting += 1
        try:
            if self._spans is None:
                return await self._pool.acquire()
            with self._spans.waiting():
                return await self._pool.acquire()
        finally:
            figures.waiting -= 1
            figures.waits.add(time.monotonic() - began)

    async def _release(self, connection: Any) -> None:  # noqa: ANN401 - the pool's proxy
        try:
            async with asyncio.timeout(_RELEASE_TIMEOUT_SECONDS):
                # Waits for the end of the interrupted statement, which may have been a BEGIN.
                with suppress(asyncpg.InFailedSQLTransactionError):
                    await connection.execute("SELECT")
                if connection.is_in_transaction():
                    await connection.execute("ROLLBACK")
        except Exception as error:
            # The pool will open another one.
            connection.terminate()
            if not isinstance(translate(error), DatabaseUnavailable):
                raise
        finally:
            await self._pool.release(connection)

    async def _close(self) -> None:
        if self._releases:
            await asyncio.wait(self._releases)
        try:
            async with asyncio.timeout(_RELEASE_TIMEOUT_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()
