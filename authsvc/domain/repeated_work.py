"""Work that is done again and again in the background: no failure is the end of it."""

from __future__ import annotations

from collections.abc import Awaitable

import structlog

from authsvc.domain.errors import DatabaseUnavailable

log = structlog.get_logger()


class RepeatedWork:
    """A piece of such work, and what the log was told of it last."""

    def __init__(self, trouble: str, **names: str) -> None:
        """Take what the log is told of a failure.

        Args:
            trouble: What was not done, such as "keyring not read".
            names: What the line names beside.
        """
        self._trouble = trouble
        self._names = names
        self._told: type[Exception] | None = None

    async def attempt(self, work: Awaitable[object]) -> bool:
        """Do it once, and tell whether it was done.

        A failure is logged; one of the same kind not again before the work was done once.
        """
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it was, the next time comes
            self._tell(error)
            return False
        self._told = None
        return True

    def _tell(self, error: Exception) -> None:
        if type(error) is self._told:
            return
        self._told = type(error)
        if isinstance(error, DatabaseUnavailable):
            log.warning(self._trouble, **self._names, cause=repr(error.__cause__ or error))
        else:
            log.error(self._trouble, **self._names, exc_info=error)
