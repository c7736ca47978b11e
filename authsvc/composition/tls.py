"""The server's certificate and its key, read as the settings name them."""

from __future__ import annotations

import ssl

from authsvc.config import InvalidSettings, Settings
from authsvc.rpc.server import Tls


def server_tls(settings: Settings) -> Tls | None:
    """Return what the server proves itself by; None: it serves in plaintext.

    Raises:
        InvalidSettings: The files are no certificate with its key.
    """
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    tls = Tls(
        certificate_chain=settings.tls_certificate_file.read_bytes(),
        private_key=settings.tls_key_file.read_bytes(),
    )
    try:
        # gRPC reports a bad pair as if the port were taken. The password: do not ask for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            settings.tls_certificate_file, settings.tls_key_file, password=""
        )
    except ssl.SSLError:
        problem = (
            "AUTHSVC_TLS_CERTIFICATE_FILE, AUTHSVC_TLS_KEY_FILE: must be a certificate chain in "
            "PEM and its private key, not encrypted"
        )
        raise InvalidSettings([problem]) from None
    return tls
