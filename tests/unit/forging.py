"""Tokens made by hand, the good and the forged, and a keyring's store in memory.

Nothing here goes through the code under test or through PyJWT: headers, payloads and signatures
are put together from JSON, base64 and `cryptography`, so that a forged token differs from the
good one in exactly one thing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from authsvc.domain.access_tokens import AccessTokenClaims, TokenRules
from authsvc.domain.clock import Deadline
from authsvc.domain.denials import DenialReason
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.freshness import NO_DEMAND
from authsvc.domain.origin import Origin
from authsvc.domain.signing_keys import KeyringChange, SealedSigningKey, SigningAlgorithm
from authsvc.tokens.key_material import generate
from authsvc.tokens.keyring import Keyring
from authsvc.tokens.sealing import Sealer
from authsvc.tokens.stored_keys import StoredKeys
from authsvc.tokens.verifier import AccessTokenVerifier
from tests.unit.examples import NoHurry

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
T = int(NOW.timestamp())
RULES = TokenRules("https://issuer.example", "https://api.example", timedelta(seconds=10))
CLAIMS: dict[str, object] = {
    "iss": RULES.issuer,
    "aud": RULES.audience,
    "sub": "user_1",
    "account_id": "acct_00000000000000000000000001",
    "scope": "sessions:read",
    "jti": "jti_1",
    "iat": T - 60,
    "exp": T + 60,
}

BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def b64(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_spare_bits_changed(segment: str) -> str:
    """Change the last bit of the last character, which decoding throws away."""
    return segment[:-1] + BASE64URL[BASE64URL.index(segment[-1]) ^ 1]


def compact_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@lru_cache
def _opened(private_bytes: bytes) -> PrivateKeyTypes:
    """Open a private key once: for RSA, that takes longer than to sign."""
    return load_der_private_key(private_bytes, password=None)


def sign(algorithm: SigningAlgorithm, private_bytes: bytes, message: bytes) -> bytes:
    """Sign as RFC 7518 and RFC 8037 say, with a private part as `key_material` has it."""
    if algorithm is SigningAlgorithm.HS256:
        return hmac.digest(private_bytes, message, hashlib.sha256)
    match _opened(private_bytes):
        case ec.EllipticCurvePrivateKey() as key:
            size = (key.key_size + 7) // 8
            r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        case rsa.RSAPrivateKey() as key:
            return key.sign(message, PKCS1v15(), SHA256())
        case ed25519.Ed25519PrivateKey() as key:
            return key.sign(message)
    raise TypeError(algorithm)


@dataclass(frozen=True)
class Issuer:
    """A signing key, and tokens made with it."""

    kid: str
    algorithm: SigningAlgorithm
    private_bytes: bytes = field(repr=False)
    public_bytes: bytes | None

    @classmethod
    def with_new_key(
        cls, algorithm: SigningAlgorithm, random_bytes: Callable[[int], bytes]
    ) -> Issuer:
        kid = f"jwk_{algorithm.value.lower()}"
        return cls(kid, algorithm, *generate(algorithm, random_bytes))

    def header(self, **changes: object) -> dict[str, object]:
        return {"alg": self.algorithm.value, "kid": self.kid, "typ": "at+jwt"} | changes

    def token(
        self,
        *,
        header: Mapping[str, object] | bytes | None = None,
        payload: Mapping[str, object] | bytes | None = None,
    ) -> str:
        """Return a token with a good signature over whatever header and payload are given."""
        head = self.header() if header is None else header
        body = CLAIMS if payload is None else payload
        return self.signed(
            b64(head if isinstance(head, bytes) else compact_json(head)),
            b64(body if isinstance(body, bytes) else compact_json(body)),
        )

    def signed(self, header_segment: str, payload_segment: str) -> str:
        """Return a token with a good signature over two segments as they are."""
        message = f"{header_segment}.{payload_segment}"
        return f"{message}.{b64(sign(self.algorithm, self.private_bytes, message.encode()))}"

    def sealed_by(self, sealer: Sealer, activate_time: datetime = NOW) -> SealedSigningKey:
        fingerprint = hashlib.sha256(self.public_bytes or b"").hexdigest()
        label = f"signing key {self.kid} ({self.algorithm}, public key {fingerprint})"
        sealed = sealer.seal(self.private_bytes, label)
        return SealedSigningKey(
            self.kid, self.algorithm, self.public_bytes, sealed, activate_time, activate_time
        )


class KeysInMemory:
    """A keyring's store, which counts how often it is read."""

    def __init__(self, *keys: SealedSigningKey) -> None:
        self.keys = list(keys)
        self.reads = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.is_away = False

    async def list_signing_keys(self, deadline: Deadline) -> list[SealedSigningKey]:
        assert deadline.remaining() > 0
        self.reads += 1
        if self.is_away:
            raise DatabaseUnavailable
        found = list(self.keys)
        await self.may_answer.wait()
        return found

    async def change_signing_keys(
        self,
        decide: Callable[[Sequence[SealedSigningKey]], KeyringChange],
        origin: Origin,
        deadline: Deadline,
    ) -> KeyringChange:
        assert origin.action
        assert deadline.remaining() > 0
        decided = decide(tuple(self.keys))
        self.keys = [key for key in self.keys if key not in decided.removed]
        if decided.added is not None:
            self.keys.append(decided.added)
        return decided

    async def reseal_signing_key(
        self, key: SealedSigningKey, sealed_private_key: bytes, origin: Origin, deadline: Deadline
    ) -> bool:
        assert origin.action
        assert deadline.remaining() > 0
        if key not in self.keys:
            return False
        resealed = replace(key, sealed_private_key=sealed_private_key)
        self.keys[self.keys.index(key)] = resealed
        return True


class Watch:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        """Return the time of day, which moves along."""
        return NOW + timedelta(seconds=self.seconds - 1000.0)


SEALER = Sealer(bytes(range(32)), lambda length: b"\x07" * length)


def stored_keys(sealer: Sealer = SEALER, previous: Sealer | None = None) -> StoredKeys:
    """Return what makes and opens keys, HS256 ones always of the same bytes."""
    return StoredKeys(
        sealer=sealer, previous=previous, random_bytes=lambda length: b"\x05" * length
    )


def a_keyring(
    store: KeysInMemory,
    watch: Watch,
    algorithm: SigningAlgorithm = SigningAlgorithm.ES256,
    sealer: Sealer = SEALER,
    outage_max_age: timedelta | None = None,
) -> Keyring:
    """Return a keyring whose snapshot lasts five seconds."""
    return Keyring(
        store=store,
        stored_keys=stored_keys(sealer),
        algorithm=algorithm,
        leeway=RULES.leeway,
        max_age=timedelta(seconds=5),
        outage_max_age=outage_max_age,
        clock=watch.now,
        monotonic=watch,
    )


def a_verifier(*issuers: Issuer) -> AccessTokenVerifier:
    """Return a verifier whose keyring holds the keys of these issuers."""
    store = KeysInMemory(*(issuer.sealed_by(SEALER) for issuer in issuers))
    return AccessTokenVerifier(
        keyring=a_keyring(store, Watch()), rules=RULES, remembered=100, clock=lambda: NOW
    )


async def outcome(token: str, *issuers: Issuer) -> AccessTokenClaims | DenialReason:
    """Verify a token against the keys of these issuers."""
    verification = await a_verifier(*issuers).verify(token, NO_DEMAND, NoHurry())
    return verification.outcome


async def is_accepted(token: str, *issuers: Issuer) -> bool:
    """Tell whether a token is good; what is neither good nor TOKEN_INVALID fails the test."""
    found = await outcome(token, *issuers)
    assert isinstance(found, AccessTokenClaims) or found is DenialReason.TOKEN_INVALID
    return isinstance(found, AccessTokenClaims)
