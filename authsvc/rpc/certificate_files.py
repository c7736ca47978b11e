"""Files of certificates: the newest content that is usable, and when it is valid."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from authsvc.rpc.certificate_checks import CertificateUnusable, Contents, Validity

_WARN_BEFORE: Final = timedelta(days=14)
_WARN_EVERY: Final = timedelta(days=1)

Check = Callable[[Contents], Validity]
"""Returns when what the files hold is valid; raises CertificateUnusable."""

log = structlog.get_logger()


class CertificateFiles:
    """Files that belong together, such as a certificate and its key."""

    def __init__(
        self,
        purpose: str,
        files: Sequence[Path],
        check: Check,
        *,
        keeps_valid: bool,
        clock: Callable[[], datetime],
    ) -> None:
        """Read the files.

        Args:
            purpose: What the log calls them.
            files: The files; the first is named when they run out.
            check: Tells whether their content is usable, and when it is valid.
            keeps_valid: Whether what is valid is kept while what is to replace it is not.
            clock: Tells the present.

        Raises:
            OSError: A file cannot be read.
            CertificateUnusable: They do not hold what they should.
        """
        self._purpose = purpose
        self._files = files
        self._check = check
        self._clock = clock
        self._contents = self._read()
        self._validity = check(self._contents)
        self._keeps_valid = keeps_valid
        self._problem = ""
        self._warned_at: datetime | None = None

    @property
    def contents(self) -> Contents:
        """What the files held when they were last usable, in their order."""
        return self._contents

    @property
    def expires_at(self) -> datetime:
        """When that runs out."""
        return self._validity.ends_at

    def look(self) -> bool:
        """Take what the files hold now, and tell whether it is new and usable.

        Content that is not usable is told once, and the one before it goes on serving: files that
        are replaced one after the other do not fit for a moment.
        """
        try:
            contents = self._read()
            if contents == self._contents:
                self._problem = ""
                return False
            validity = self._check(contents)
            self._refuse_untimely(validity)
        except (OSError, CertificateUnusable) as error:
            self._tell_once(str(error))
            return False
        self._contents, self._validity, self._problem = contents, validity, ""
        self._warned_at = None
        log.info(
            "certificate replaced",
            certificate=self._purpose,
            expires_at=validity.ends_at.isoformat(),
        )
        return True

    def warn_of_expiry(self) -> None:
        """Warn, once a day, of what is not valid, or runs out within two weeks."""
        now = self._clock()
        told = self._standing_at(now)
        warned_lately = self._warned_at is not None and now - self._warned_at < _WARN_EVERY
        if warned_lately or told is None:
            return
        self._warned_at = now
        level, event = told
        log.log(
            level,
            event,
            certificate=self._purpose,
            file=str(self._files[0]),
            valid_from=self._validity.begins_at.isoformat(),
            expires_at=self._validity.ends_at.isoformat(),
        )

    def _standing_at(self, now: datetime) -> tuple[int, str] | None:
        """Return what is to be told of what is served, and how loudly, if anything is."""
        begins_at, ends_at = self._validity
        if now >= ends_at:
            return logging.ERROR, "certificate has expired"
        if now < begins_at:
            return logging.ERROR, "certificate not valid yet"
        if now >= ends_at - _WARN_BEFORE:
            return logging.WARNING, "certificate expires soon"
        return None

    def _refuse_untimely(self, validity: Validity) -> None:
        """Refuse what no client takes now, while what is served is taken by them.

        By a clock that is wrong, what is served is mostly not valid either, and the new is taken.
        """
        now = self._clock()
        if not self._keeps_valid or validity.holds_at(now) or not self._validity.holds_at(now):
            return
        raise CertificateUnusable(
            f"must be valid now: it has expired at {validity.ends_at.isoformat()}"
            if now >= validity.ends_at
            else f"is not valid before {validity.begins_at.isoformat()}, and is taken then",
            self._purpose,
        )

    def _read(self) -> Contents:
        return [file.read_bytes() for file in self._files]

    def _tell_once(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            log.error(
                "new certificate not usable, the one before it goes on serving",
                certificate=self._purpose,
                files=[str(file) for file in self._files],
                problem=problem,
            )
