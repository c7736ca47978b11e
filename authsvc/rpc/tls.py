"""The server's certificate, read again when its files change, without a restart."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

_LOOK_SECONDS: Final = 1.0
_WARN_BEFORE: Final = timedelta(days=14)
_WARN_EVERY: Final = timedelta(days=1)

log = structlog.get_logger()


class CertificateUnusable(Exception):
    """The files are no certificate chain with its private key."""


class ServerCertificate:
    """The certificate chain and key that new connections are met with."""

    def __init__(self, chain_file: Path, key_file: Path, *, clock: Callable[[], datetime]) -> None:
        """Read the files.

        Args:
            chain_file: The certificate chain in PEM, the server's own certificate first.
            key_file: The private key of that certificate in PEM, not encrypted.
            clock: Tells the present.

        Raises:
            OSError: A file cannot be read.
            CertificateUnusable: They are no certificate with its key.
        """
        self._chain_file = chain_file
        self._key_file = key_file
        self._clock = clock
        self._seen = self._read()
        self._expires_at = _checked_expiry(*self._seen)
        self._problem = ""
        self._warned_at: datetime | None = None
        # Handshakes take from it in threads of gRPC's: both ends of a deque are atomic.
        self._next: deque[grpc.ServerCertificateConfiguration] = deque(maxlen=1)

    @property
    def expires_at(self) -> datetime:
        """When the certificate that new connections get runs out."""
        return self._expires_at

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials for one port, which follow the files once `keep_fresh` runs."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(*self._seen),
            self._take_next,  # type: ignore[arg-type]  # None, for "as before", is not in the stubs
        )

    def look(self) -> None:
        """Take the files' content for the next handshakes, if it is new and usable.

        A pair that does not fit is told once, and the one before it goes on serving: files that
        are replaced one after the other do not fit for a moment.
        """
        try:
            pair = self._read()
            if pair == self._seen:
                self._problem = ""
                return
            expires_at = _checked_expiry(*pair)
        except (OSError, CertificateUnusable) as error:
            self._tell_once(str(error))
            return
        self._seen, self._expires_at, self._problem = pair, expires_at, ""
        self._warned_at = None
        self._next.append(_configuration(*pair))
        log.info("certificate replaced", expires_at=expires_at.isoformat())

    def warn_of_expiry(self) -> None:
        """Warn, once a day, of a certificate that runs out within two weeks."""
        now = self._clock()
        warned_lately = self._warned_at is not None and now - self._warned_at < _WARN_EVERY
        if warned_lately or self._expires_at - now >= _WARN_BEFORE:
            return
        self._warned_at = now
        log.warning(
            "certificate expires soon" if self._expires_at > now else "certificate has expired",
            file=str(self._chain_file),
            expires_at=self._expires_at.isoformat(),
        )

    async def keep_fresh(self) -> None:
        """Follow the files until cancelled."""
        while True:
            self.warn_of_expiry()
            await asyncio.sleep(_LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def _read(self) -> tuple[bytes, bytes]:
        return self._chain_file.read_bytes(), self._key_file.read_bytes()

    def _take_next(self) -> grpc.ServerCertificateConfiguration | None:
        try:
            return self._next.popleft()
        except IndexError:
            return None

    def _tell_once(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            log.error(
                "new certificate not usable, the one before it goes on serving",
                certificate_file=str(self._chain_file),
                key_file=str(self._key_file),
                problem=problem,
            )


def _configuration(chain: bytes, key: bytes) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(key, chain)])


def _checked_expiry(chain: bytes, key: bytes) -> datetime:
    """Return when a chain's first certificate runs out, if the key is its own."""
    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
        private_key = serialization.load_pem_private_key(key, password=None)
        fits = certificate.public_key() == private_key.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without its cause: what a parser says may quote the key.
        raise CertificateUnusable(
            "not a certificate chain in PEM and its private key, not encrypted"
        ) from None
    if not fits:
        raise CertificateUnusable("the private key belongs to another certificate")
    return certificate.not_valid_after_utc
