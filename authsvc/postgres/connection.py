"""A connection of ours to Postgres: what it is in types, and what its session begins with.

Works with PostgreSQL 14 and newer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeAlias

import asyncpg

from authsvc.domain.errors import AuthsvcError
from authsvc.postgres.connecting import connect_to_primary
from authsvc.postgres.errors import translate
from authsvc.postgres.history import History
from authsvc.postgres.session_limits import SessionLimits

Row: TypeAlias = asyncpg.Record
# Generic in its stubs only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

APPLICATION_NAME: Final = "authsvc"
_PASSING: Final = SessionLimits.all_of(timedelta(seconds=10))


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
        url: `postgresql://user@host/database`, with `?host=` for a socket directory.
        limits: What the server itself bounds; by default, ten seconds for each thing.
        history: What this process has met, if it must not go back to an older primary.

    Raises:
        DatabaseUrlUnreadable: The URL makes no sense.
        DatabaseUnavailable: The database cannot be reached.
    """
    try:
        return await connect_to_primary(
            url, history=history, server_settings=server_settings(limits)
        )
    except Exception as error:
        if isinstance(error, ValueError) and not isinstance(error, asyncpg.InterfaceError):
            # Its words repeat what cannot be read.
            raise DatabaseUrlUnreadable from None
        raise translate(error) from error


def server_settings(limits: SessionLimits) -> dict[str, str]:
    """Return what each session of ours begins with, in the pool or beside it."""
    return {"application_name": APPLICATION_NAME, **limits.as_server_settings()}
