"""Which history of the database this process reads, so that it never goes back to an older one.

A standby that is promoted begins a new timeline, with a higher number. A former primary that comes
back goes on in its own one, and what it says may be undone already: records of the one must not be
kept by the changes of the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import asyncpg
import structlog

# The first part of the name of the WAL's file is the timeline. A standby has no such file.
_FIND: Final = """
SELECT (pg_control_system()).system_identifier AS system,
       left(pg_walfile_name(pg_current_wal_lsn()), 8) AS number
"""

log = structlog.get_logger()


class NotThePrimary(ConnectionError):
    """What answers is a standby, or was the primary before another was promoted."""


class Timeline(NamedTuple):
    """One history of one database cluster."""

    system: int
    number: int


UNTOLD: Final = Timeline(0, 0)
"""Of a database that keeps its timeline to itself."""


class History:
    """The newest timeline that any connection of this process has met."""

    def __init__(self) -> None:
        """Begin without having met any."""
        self.newest: Timeline | None = None
        self._leave_older: Callable[[], Awaitable[None]] | None = None
        self._said_untold = False

    def when_newer(self, leave_older: Callable[[], Awaitable[None]]) -> None:
        """Have connections that were opened before left, as soon as a newer timeline is met."""
        self._leave_older = leave_older

    async def admit(self, connection: asyncpg.Connection[asyncpg.Record]) -> Timeline:
        """Return the timeline of a new connection, which is the newest from now on.

        Raises:
            NotThePrimary: A newer one of the same database was met before.
        """
        met, newest = await self._find(connection), self.newest
        if newest is not None and met.system == newest.system and met.number < newest.number:
            raise NotThePrimary("what answers was the primary before another was promoted")
        self.newest = met
        if newest is not None and met != newest and self._leave_older is not None:
            await self._leave_older()
        return met

    async def _find(self, connection: asyncpg.Connection[asyncpg.Record]) -> Timeline:
        try:
            row = await connection.fetchrow(_FIND)
        except (asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError) as error:
            if not self._said_untold:
                self._said_untold = True
                log.warning(
                    "database does not tell its timeline: records in memory are dropped with each "
                    "new connection that follows changes; GRANT EXECUTE on pg_control_system, "
                    "pg_current_wal_lsn and pg_walfile_name",
                    cause=repr(error),
                )
            return UNTOLD
        if row is None:
            return UNTOLD
        return Timeline(row["system"], int(row["number"], 16))
