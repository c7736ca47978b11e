"""TLS of the gRPC ports, and the callers that prove themselves by it, as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from authsvc.composition.traffic import channel_limits
from authsvc.config import InvalidSettings, Settings, problems_of
from authsvc.domain.client_certificates import CertificateRule
from authsvc.rpc.certificate_checks import CLIENT_CA, CertificateUnusable
from authsvc.rpc.peer_certificates import CallerOfPeer, CertificateCallers, no_caller_of_peer
from authsvc.rpc.server import Port
from authsvc.rpc.tls import ServerTls
from authsvc.settings.certificate_callers import read_certificate_rules
from authsvc.usecases.authenticate_certificate import AuthenticateCertificate


def server_tls(settings: Settings, *, clock: Callable[[], datetime]) -> ServerTls | None:
    """Return what the server proves itself by; None: it serves in plaintext.

    Its `expiry_times()` are for whoever watches over them.

    Raises:
        OSError: A file cannot be read.
        InvalidSettings: The files do not hold what they should.
    """
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    try:
        return ServerTls(
            settings.tls_certificate_file,
            settings.tls_key_file,
            client_ca_file=settings.tls_client_ca_file,
            clock=clock,
        )
    except CertificateUnusable as error:
        # gRPC would report bad files as if the port were taken.
        names = (
            "AUTHSVC_TLS_CLIENT_CA_FILE"
            if error.purpose == CLIENT_CA
            else "AUTHSVC_TLS_CERTIFICATE_FILE, AUTHSVC_TLS_KEY_FILE"
        )
        raise InvalidSettings([f"{names}: {error}"]) from None


def grpc_ports(settings: Settings, tls: ServerTls | None) -> list[Port]:
    """Return where the settings want gRPC served: to all, and to clients with a certificate."""
    address, credentials = settings.listen_address, tls.credentials() if tls else None
    ports = [Port(address, credentials, "AUTHSVC_LISTEN_ADDRESS")]
    if tls is not None and settings.mtls_listen_address is not None:
        address, credentials = settings.mtls_listen_address, tls.mutual_credentials()
        ports.append(Port(address, credentials, "AUTHSVC_MTLS_LISTEN_ADDRESS"))
    return ports


def caller_of_peer(settings: Settings, *, clock: Callable[[], datetime]) -> CallerOfPeer:
    """Return what finds the caller that a client's certificate stands for.

    Raises:
        InvalidSettings: The file that says so is no good.
    """
    if settings.certificate_callers_file is None:
        return no_caller_of_peer
    rules = _rules(settings.certificate_callers_file)
    life = channel_limits(settings).connection_life
    return CertificateCallers(AuthenticateCertificate(rules, connection_life=life, clock=clock))


def _rules(file: Path) -> list[CertificateRule]:
    try:
        # Settings checked the file, but it may have changed since.
        return read_certificate_rules(file)
    except ValueError as error:
        raise InvalidSettings(problems_of("AUTHSVC_CERTIFICATE_CALLERS_FILE", str(error))) from None
