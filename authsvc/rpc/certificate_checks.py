"""What files of certificates must hold, and when it is valid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import PublicKeyAlgorithmOID

Contents = Sequence[bytes]
SERVER: Final = "server"
CLIENT_CA: Final = "client_ca"

_RSA_BITS: Final = range(2048, 8192 + 1)
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)


class CertificateUnusable(Exception):
    """The files do not hold what they should."""

    def __init__(self, problem: str, purpose: str) -> None:
        """Carry what is wrong, and what the files are for."""
        super().__init__(problem)
        self.purpose = purpose


class Validity(NamedTuple):
    """When what the files hold is valid."""

    begins_at: datetime
    ends_at: datetime

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether it is valid at a moment."""
        return self.begins_at <= moment < self.ends_at


def validity_of_pair(contents: Contents) -> Validity:
    """Return when the first certificate of a chain is valid, if the key behind it is its own.

    Raises:
        CertificateUnusable: They do not fit, or clients could not use them at any time.
    """
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
    if not _clients_take_key_of(certificate):
        raise CertificateUnusable(
            "must be of an EC key on the curve P-256 or P-384, or of an RSA key of "
            f"{_RSA_BITS[0]} to {_RSA_BITS[-1]} bits: gRPC clients take no other. Have a "
            "certificate issued for such a key",
            SERVER,
        )
    return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def validity_of_authorities(contents: Contents) -> Validity:
    """Return when all of some authorities are valid.

    Raises:
        CertificateUnusable: There are none.
    """
    (bundle,) = contents
    try:
        authorities = x509.load_pem_x509_certificates(bundle)
    except ValueError:
        raise CertificateUnusable("must be certificates in PEM", CLIENT_CA) from None
    return Validity(
        max(authority.not_valid_before_utc for authority in authorities),
        min(authority.not_valid_after_utc for authority in authorities),
    )


def _clients_take_key_of(certificate: x509.Certificate) -> bool:
    # gRPC's core serves Ed25519 and P-521, too, but as a client it refuses both.
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, _CURVES)
    # A key that is for RSA-PSS alone is an RSAPublicKey as well; gRPC cannot load it.
    is_rsa = certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5
    return is_rsa and isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS
