"""The pool: connections that are lent to one piece of work at a time.

What interrupts a piece of work never keeps its caller waiting for the database, and a server that
is not the primary any more loses every connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

import asyncpg

from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.last_steps import POOL_SECONDS, RELEASING_SECONDS
from authsvc.postgres.connecting import connect_to_primary
from authsvc.postgres.connection import Connection, server_settings
from authsvc.postgres.errors import is_of_a_former_primary, translate
from authsvc.postgres.figures import DatabaseFigures
from authsvc.postgres.history import History
from authsvc.postgres.session_limits import SessionLimits
from authsvc.postgres.statement_spans import StatementSpans, watching

T = TypeVar("T")


async def _keep_session(_connection: object) -> None:
    """Reset nothing: no statement here changes its session, and a reset costs a round trip."""


class PoolSize(NamedTuple):
    """How many connections a pool has, and may have."""

    busy: int
    idle: int
    limit: int


class Pool:
    """A pool of connections to one database."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        history: History,
        spans: StatementSpans | None = None,
    ) -> None:
        """Use `Pool.open`."""
        self._pool = pool
        self._spans = spans
        self.figures = DatabaseFigures()
        self.history = history
        """What the connections have met, and whoever connects beside the pool is to heed."""
        history.when_newer(self.leave_server)
        self._releases: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        size: int,
        statement_timeout: timedelta,
        spans: StatementSpans | None = None,
    ) -> AsyncIterator[Pool]:
        """Open the pool, and close it at the end. See `Database.open`."""
        history = History()
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=size,
                connect=partial(connect_to_primary, history=history),
                reset=_keep_session,
                init=None if spans is None else watching(spans),
                server_settings=server_settings(SessionLimits.all_of(statement_timeout)),
            )
        except Exception as error:
            raise translate(error) from error
        opened = cls(pool, history, spans)
        try:
            yield opened
        finally:
            await opened._close()

    async def leave_server(self) -> None:
        """Replace every connection before it is used again: another server is the primary now."""
        await self._pool.expire_connections()

    def size(self) -> PoolSize:
        """Tell how many connections there are."""
        pool = self._pool
        idle = pool.get_idle_size()
        return PoolSize(pool.get_size() - idle, idle, pool.get_max_size())

    async def lend(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do a piece of work on a connection of its own, and raise what it raises."""
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
            async with asyncio.timeout(RELEASING_SECONDS):
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
            async with asyncio.timeout(POOL_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()
