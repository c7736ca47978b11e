"""The keys of an issuer, out of its JSON Web Key Set (RFC 7517, RFC 7518 section 6, RFC 8037).

One key, one algorithm: the one that the key names, else the first of those accepted that fits it.
What cannot be used is left out; what is dangerous to read is refused whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authsvc.domain.foreign_issuers import ForeignAlgorithm as Algorithm
from authsvc.tokens.compact import Malformed, decode_segment, read_json
from authsvc.tokens.foreign.failures import KeysNotFetched

MAX_KEYS: Final = 50

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_MIN_RSA_BITS: Final = 2048
# Beyond it, one signature costs more than a token is worth.
_MAX_RSA_BITS: Final = 8192
_MAX_RSA_EXPONENT: Final = 2**32
_RSA: Final = frozenset(one for one in Algorithm if one.value[:2] in {"RS", "PS"})
_CURVES: Final[Mapping[str, tuple[ec.EllipticCurve, Algorithm]]] = {
    "P-256": (ec.SECP256R1(), Algorithm.ES256),
    "P-384": (ec.SECP384R1(), Algorithm.ES384),
    "P-521": (ec.SECP521R1(), Algorithm.ES512),
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key, pinned to the one algorithm it may be used with."""

    kid: str | None
    algorithm: Algorithm
    fingerprint: bytes
    """The SHA-256 digest of the key, by which it is told from others."""
    key: PublicKey = field(compare=False, repr=False)


def read_key_set(document: bytes, accepted: Sequence[Algorithm]) -> tuple[IssuerKey, ...]:
    """Return the keys that tokens may be signed with.

    Args:
        document: A JSON Web Key Set.
        accepted: The algorithms that may be used.

    Raises:
        KeysNotFetched: It is no key set, has too many keys, or none that may be used.
    """
    try:
        entries = read_json(document).get("keys")
    except Malformed:
        raise KeysNotFetched("the key set is not a JSON object with unique members") from None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise KeysNotFetched(f"the key set has no list `keys` of at most {MAX_KEYS}")
    keys = [_read(entry, accepted) for entry in entries if isinstance(entry, dict)]
    usable = tuple(dict.fromkeys(key for key in keys if key is not None))
    if not usable:
        # Taken at its word, it would turn every token of the issuer into a denial.
        raise KeysNotFetched("the key set has no key that may be used")
    return usable


def fitting(
    keys: Sequence[IssuerKey], kid: str | None, algorithm: Algorithm
) -> tuple[IssuerKey, ...]:
    """Return the keys that a token's header means: exactly one, or it cannot be told which.

    Args:
        keys: All keys of the issuer.
        kid: The key's name in the header; None: it has none.
        algorithm: The algorithm in the header, which here tells keys apart and nothing else.
    """
    return tuple(key for key in keys if key.algorithm is algorithm and kid in {None, key.kid})


def _read(entry: Mapping[str, object], accepted: Sequence[Algorithm]) -> IssuerKey | None:
    """Return a key, or None for one that may not be used."""
    kid, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    if not (kid is None or isinstance(kid, str)) or entry.get("use", "sig") != "sig":
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if not _PRIVATE_MEMBERS.isdisjoint(entry):
        return None
    try:
        key, fit = _read_material(entry)
    except (Malformed, UnsupportedAlgorithm, ValueError):
        return None
    named = entry.get("alg")
    algorithm = next(
        (one for one in accepted if one in fit and named in {None, one.value}),
        None,
    )
    if algorithm is None:
        return None
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return IssuerKey(kid, algorithm, hashlib.sha256(der).digest(), key)


def _read_material(entry: Mapping[str, object]) -> tuple[PublicKey, frozenset[Algorithm]]:
    """Return a key, and the algorithms that it fits."""
    match entry.get("kty"):
        case "RSA":
            exponent = int.from_bytes(_bytes(entry, "e"))
            public = rsa.RSAPublicNumbers(exponent, int.from_bytes(_bytes(entry, "n")))
            if not _MIN_RSA_BITS <= public.n.bit_length() <= _MAX_RSA_BITS:
                raise Malformed("RSA bits")
            if exponent > _MAX_RSA_EXPONENT:
                raise Malformed("RSA exponent")
            return public.public_key(), _RSA
        case "EC":
            curve, algorithm = _CURVES.get(str(entry.get("crv")), (None, None))
            if curve is None or algorithm is None:
                raise Malformed("curve")
            x, y = (int.from_bytes(_bytes(entry, name)) for name in ("x", "y"))
            point = ec.EllipticCurvePublicNumbers(x, y, curve)
            return point.public_key(), frozenset({algorithm})
        case "OKP" if entry.get("crv") == "Ed25519":
            key = ed25519.Ed25519PublicKey.from_public_bytes(_bytes(entry, "x"))
            return key, frozenset({Algorithm.EDDSA})
    raise Malformed("key type")


def _bytes(entry: Mapping[str, object], name: str) -> bytes:
    value = entry.get(name)
    if not isinstance(value, str) or not value.isascii():
        raise Malformed("key member")
    return decode_segment(value)
