"""Connections to the primary, whichever of the URL's hosts it is now.

Hosts are tried in the order of the URL, the next as soon as one has failed or has kept silent for
a moment, as in RFC 8305: a host that swallows packets does not use up the time of the others.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from asyncpg.exceptions import TargetServerAttributeNotMatched

from authsvc.domain.database_hosts import hosts_of
from authsvc.postgres.history import History, NotThePrimary

# Records and changes are read from the same server: a standby that lags behind would have old
# records kept under the watermark of the primary, for ever.
_PRIMARY: Final = SessionAttribute.read_write
_SILENCE_SECONDS: Final = 0.5
_HOST_SECONDS: Final = 5.0
_ONLY_HOST_SECONDS: Final = 10.0


async def connect_to_primary(
    url: str,
    *,
    history: History | None = None,
    **options: Any,  # noqa: ANN401 - the driver's own
) -> asyncpg.Connection[asyncpg.Record]:
    """Open a connection to the first host of the URL that is the primary.

    Args:
        url: The database; `connect_timeout` and the like are not read.
        history: What this process has met, if it must not go back to an older primary.
        options: What `asyncpg.connect` takes beside.

    Raises:
        NotThePrimary: Of the hosts that answer, none is.
        Exception: What the driver says of the last host, when none answers.
    """
    hosts = hosts_of(url)
    if len(hosts) < 2:  # noqa: PLR2004 - one host or the driver's default
        return await _connect(url, history, _ONLY_HOST_SECONDS, options)
    attempts: list[asyncio.Task[asyncpg.Connection[asyncpg.Record]]] = []
    won = None
    try:
        for host, port in hosts:
            its_own = {**options, "host": host, "port": port}
            attempts.append(asyncio.create_task(_connect(url, history, _HOST_SECONDS, its_own)))
            is_last = len(attempts) == len(hosts)
            won = await _first_connected(attempts, None if is_last else _SILENCE_SECONDS)
            if won is not None:
                return won.result()
        errors = [attempt.exception() for attempt in attempts]
        telling = next((each for each in errors if isinstance(each, NotThePrimary)), errors[-1])
        raise telling or ConnectionError
    finally:
        for attempt in attempts:
            if attempt is not won:
                attempt.cancel()
                attempt.add_done_callback(_discard)


async def _connect(
    url: str, history: History | None, seconds: float, options: dict[str, Any]
) -> asyncpg.Connection[asyncpg.Record]:
    """Open a connection to a host that is the primary, as far as this process knows."""
    try:
        async with asyncio.timeout(seconds):
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
                url, timeout=seconds, target_session_attrs=_PRIMARY, **options
            )
            if history is not None:
                try:
                    await history.admit(connection)
                except BaseException:
                    connection.terminate()
                    raise
            return connection
    except TargetServerAttributeNotMatched:
        raise NotThePrimary("what answers is a standby, or takes no changes") from None


async def _first_connected(
    attempts: list[asyncio.Task[asyncpg.Connection[asyncpg.Record]]], silence: float | None
) -> asyncio.Task[asyncpg.Connection[asyncpg.Record]] | None:
    """Return an attempt that connected; None when it is the next host's turn, or all have failed.

    Args:
        attempts: One for each host so far, the newest last.
        silence: How many seconds later it is the next host's turn, if the newest attempt has not
            failed before; None: there is no other host.
    """
    end = None if silence is None else asyncio.get_running_loop().time() + silence
    while pending := [attempt for attempt in attempts if not attempt.done()]:
        left = None if end is None else max(0.0, end - asyncio.get_running_loop().time())
        done, _ = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return None
        if connected := _connected(attempts):
            return connected
        if end is not None and attempts[-1].done():
            return None
    return _connected(attempts)


def _connected(
    attempts: list[asyncio.Task[asyncpg.Connection[asyncpg.Record]]],
) -> asyncio.Task[asyncpg.Connection[asyncpg.Record]] | None:
    # In the order of the URL.
    return next((each for each in attempts if each.done() and each.exception() is None), None)


def _discard(attempt: asyncio.Task[asyncpg.Connection[asyncpg.Record]]) -> None:
    """Close a connection that came too late."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()
