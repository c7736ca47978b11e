"""Client certificates for tests, with names that `trustme` does not write, and their mapping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from authsvc.config import Settings

GATEWAY = "spiffe://example.org/ns/prod/gateway"
MAPPING = f"""
[[caller]]
uri = "{GATEWAY}"
scopes = ["authsvc:validate"]

[[caller]]
uri = "spiffe://example.org/ns/jobs/*"
scopes = ["authsvc:keys"]

[[caller]]
dns = "operator.example.org"
scopes = ["authsvc:admin"]
"""


@dataclass(frozen=True)
class ClientPair:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes

    def credentials(self, authority: trustme.CA) -> grpc.ChannelCredentials:
        """Return what a channel to a server of an authority needs."""
        return grpc.ssl_channel_credentials(
            authority.cert_pem.bytes(), private_key=self.key, certificate_chain=self.certificate
        )


def issue_client(
    authority: trustme.CA,
    *,
    uris: Sequence[str] = (),
    dns_names: Sequence[str] = (),
    common_name: str = "a client",
    not_after: datetime | None = None,
) -> ClientPair:
    """Issue a client's certificate."""
    names = [
        *map(x509.UniformResourceIdentifier, uris),
        *map(x509.DNSName, dns_names),
    ]
    key = ec.generate_private_key(ec.SECP256R1())
    return _issue(
        authority,
        key,
        names,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        common_name=common_name,
        not_after=not_after,
    )


def _issue(
    authority: trustme.CA,
    key: CertificateIssuerPrivateKeyTypes,
    names: Sequence[x509.GeneralName],
    usage: x509.ObjectIdentifier,
    *,
    common_name: str = "authsvc",
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> ClientPair:
    now = datetime.now(UTC)
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now - timedelta(days=1))
        .not_valid_after(not_after or now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return ClientPair(
        builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def chain_of(issued: trustme.LeafCert) -> bytes:
    """Return a certificate with those that lead to its authority, in PEM."""
    return b"".join(blob.bytes() for blob in issued.cert_chain_pems)


def write_tls_files(
    directory: Path, authority: trustme.CA, client_authority: trustme.CA
) -> dict[str, Path]:
    """Write what a server with a port for certificates needs, and return its settings."""
    issued = authority.issue_cert("127.0.0.1")
    contents = {
        "tls_certificate_file": chain_of(issued),
        "tls_key_file": issued.private_key_pem.bytes(),
        "tls_client_ca_file": client_authority.cert_pem.bytes(),
        "certificate_callers_file": MAPPING.encode(),
    }
    files = {name: directory / name for name in contents}
    for name, content in contents.items():
        files[name].write_bytes(content)
    return files


def with_client_certificates(
    settings: Settings, directory: Path, authority: trustme.CA, client_authority: trustme.CA
) -> Settings:
    """Return settings with a port for certificates."""
    files = write_tls_files(directory, authority, client_authority)
    return settings.model_copy(update={**files, "mtls_listen_address": "127.0.0.1:0"})


def write_server_pair(
    settings: Settings,
    authority: trustme.CA,
    key: CertificateIssuerPrivateKeyTypes,
    *,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> None:
    """Write a server's certificate of a kind that `trustme` does not issue, and its key."""
    assert settings.tls_certificate_file is not None
    assert settings.tls_key_file is not None
    issued = _issue(
        authority,
        key,
        [x509.IPAddress(ip_address("127.0.0.1"))],
        ExtendedKeyUsageOID.SERVER_AUTH,
        not_before=not_before,
        not_after=not_after,
    )
    settings.tls_certificate_file.write_bytes(issued.certificate)
    settings.tls_key_file.write_bytes(issued.key)
