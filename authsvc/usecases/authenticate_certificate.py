"""Who is calling, by the certificate with which a connection was opened."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from authsvc.domain.callers import Caller
from authsvc.domain.client_certificates import CertificateRule, ClientCertificate, find_principal
from authsvc.domain.clock import Clock
from authsvc.domain.errors import CallerCertificateNotMapped

_REMEMBERED: Final = 1024


class AuthenticateCertificate:
    """Turns a client's certificate into a caller."""

    def __init__(
        self, rules: Sequence[CertificateRule], *, connection_life: timedelta, clock: Clock
    ) -> None:
        """Take what certificates stand for.

        Args:
            rules: The first that is about a certificate counts.
            connection_life: How long a connection lasts at most.
            clock: The source of time.
        """
        self._connection_life = connection_life
        self._clock = clock
        # Connections present the same certificate call after call.
        self._find = functools.lru_cache(_REMEMBERED)(
            lambda certificate: find_principal(certificate, rules)
        )

    def __call__(self, certificate: ClientCertificate) -> Caller | None:
        """Return who calls; None when the certificate has long run out, and so counts as none.

        Handshakes refuse a certificate that has run out, but a connection outlives it, and one that
        resumes an earlier TLS session does not have it checked anew. So it counts for as long as a
        connection lasts that was opened at its last moment.

        Raises:
            CallerCertificateNotMapped: No rule is about it.
        """
        if self._clock() - certificate.expire_time > self._connection_life:
            return None
        principal = self._find(certificate)
        if principal is None:
            raise CallerCertificateNotMapped(certificate.names)
        return Caller(principal)
