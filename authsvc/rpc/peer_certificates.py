"""The client's certificate of a connection, as gRPC has it, and the caller it stands for."""

from __future__ import annotations

import functools
from collections.abc import Callable

from cryptography import x509

from authsvc.domain.callers import Caller
from authsvc.domain.client_certificates import ClientCertificate
from authsvc.rpc.deadlines import Context
from authsvc.usecases.authenticate_certificate import AuthenticateCertificate

CallerOfPeer = Callable[[Context], Caller | None]
"""Returns the caller that a connection's certificate stands for; None where there is none."""


def no_caller_of_peer(_context: Context) -> Caller | None:
    """Return nobody: this server asks for no certificates."""
    return None


def has_certificate(context: Context) -> bool:
    """Tell whether the client of a call has proved that a certificate is its own."""
    return "x509_pem_cert" in context.auth_context()


class CertificateCallers:
    """Finds the caller for which a connection's certificate stands."""

    def __init__(self, authenticate: AuthenticateCertificate) -> None:
        """Take what knows certificates."""
        self._authenticate = authenticate

    def __call__(self, context: Context) -> Caller | None:
        """Return the caller; None where the client has no certificate, or one long run out.

        Raises:
            CallerCertificateNotMapped: It stands for nobody.
        """
        # gRPC has it only of clients that proved to have its key, to a port that asks for it.
        certificates = context.auth_context().get("x509_pem_cert")
        if not certificates:
            return None
        return self._authenticate(read_certificate(bytes(next(iter(certificates)))))


@functools.lru_cache(maxsize=1024)
def read_certificate(pem: bytes) -> ClientCertificate:
    """Read what counts of a certificate that TLS let in; names that make no sense do not count."""
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        names = None
    return ClientCertificate(
        uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)) if names else (),
        dns_names=tuple(names.get_values_for_type(x509.DNSName)) if names else (),
        expire_time=certificate.not_valid_after_utc,
    )
