"""The server's certificate and its key, read as the settings name them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from authsvc.config import InvalidSettings, Settings
from authsvc.rpc.tls import CertificateUnusable, ServerCertificate


def server_certificate(
    settings: Settings, *, clock: Callable[[], datetime]
) -> ServerCertificate | None:
    """Return what the server proves itself by; None: it serves in plaintext.

    Raises:
        InvalidSettings: The files are no certificate with its key.
    """
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    try:
        return ServerCertificate(settings.tls_certificate_file, settings.tls_key_file, clock=clock)
    except CertificateUnusable:
        # gRPC would report a bad pair as if the port were taken.
        problem = (
            "AUTHSVC_TLS_CERTIFICATE_FILE, AUTHSVC_TLS_KEY_FILE: must be a certificate chain in "
            "PEM and its private key, not encrypted"
        )
        raise InvalidSettings([problem]) from None
