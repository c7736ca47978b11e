"""What traces are told of the database's part in a call."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol

import asyncpg


class StatementSpans(Protocol):
    """Makes spans of statements and of waits for a connection."""

    def waiting(self) -> AbstractContextManager[None]:
        """Keep a span open while a connection is waited for."""
        ...

    def ran(self, statement: str, seconds: float, error: BaseException | None) -> None:
        """Note a statement that has just ended, without its parameters."""
        ...


def watching(spans: StatementSpans) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """Return what makes a new connection of a pool tell of its statements."""

    def tell(query: asyncpg.connection.LoggedQuery) -> None:
        spans.ran(query.query, query.elapsed, query.exception)

    async def watch(connection: asyncpg.Connection[asyncpg.Record]) -> None:
        # asyncpg calls it in the context of the statement, so that the span has its parent.
        connection.add_query_logger(tell)

    return watch
