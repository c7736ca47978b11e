"""Files of certificates: the newest content that is usable, and when it runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

_WARN_BEFORE: Final = timedelta(days=14)
_WARN_EVERY: Final = timedelta(days=1)

Contents = Sequence[bytes]
Check = Callable[[Contents], datetime]
"""Returns when what the files hold runs out; raises CertificateUnusable."""
SERVER: Final = "server"
CLIENT_CA: Final = "client_ca"

log = structlog.get_logger()


class CertificateUnusable(Exception):
    """The files do not hold what they should."""

    def __init__(self, problem: str, purpose: str) -> None:
        """Carry what is wrong, and what the files are for."""
        super().__init__(problem)
        self.purpose = purpose


class CertificateFiles:
    """Files that belong together, such as a certificate and its key."""

    def __init__(
        self, purpose: str, files: Sequence[Path], check: Check, *, clock: Callable[[], datetime]
    ) -> None:
        """Read the files.

        Args:
            purpose: What the log calls them.
            files: The files; the first is named when they run out.
            check: Tells whether their content is usable, and until when.
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
        self._expires_at = check(self._contents)
        self._problem = ""
        self._warned_at: datetime | None = None

    @property
    def contents(self) -> Contents:
        """What the files held when they were last usable, in their order."""
        return self._contents

    @property
    def expires_at(self) -> datetime:
        """When that runs out."""
        return self._expires_at

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
            expires_at = self._check(contents)
        except (OSError, CertificateUnusable) as error:
            self._tell_once(str(error))
            return False
        self._contents, self._expires_at, self._problem = contents, expires_at, ""
        self._warned_at = None
        log.info(
            "certificate replaced", certificate=self._purpose, expires_at=expires_at.isoformat()
        )
        return True

    def warn_of_expiry(self) -> None:
        """Warn, once a day, of what runs out within two weeks."""
        now = self._clock()
        warned_lately = self._warned_at is not None and now - self._warned_at < _WARN_EVERY
        if warned_lately or self._expires_at - now >= _WARN_BEFORE:
            return
        self._warned_at = now
        log.warning(
            "certificate expires soon" if self._expires_at > now else "certificate has expired",
            certificate=self._purpose,
            file=str(self._files[0]),
            expires_at=self._expires_at.isoformat(),
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


def expiry_of_pair(contents: Contents) -> datetime:
    """Return when the first certificate of a chain runs out, if the key behind it is its own."""
    chain, key = contents
    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
        private_key = serialization.load_pem_private_key(key, password=None)
        fits = certificate.public_key() == private_key.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without its cause: what a parser says may quote the key.
        raise CertificateUnusable(
            "must be a certificate chain in PEM and its private key, not encrypted", SERVER
        ) from None
    if not fits:
        raise CertificateUnusable(
            "must belong together: the private key is of another certificate", SERVER
        )
    return certificate.not_valid_after_utc


def expiry_of_authorities(contents: Contents) -> datetime:
    """Return when the first of some authorities runs out."""
    (bundle,) = contents
    try:
        authorities = x509.load_pem_x509_certificates(bundle)
    except ValueError:
        raise CertificateUnusable("must be certificates in PEM", CLIENT_CA) from None
    return min(authority.not_valid_after_utc for authority in authorities)
