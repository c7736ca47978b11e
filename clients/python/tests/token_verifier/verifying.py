"""A token verifier of either kind, what it is told, and tokens for it."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import inspect
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import denial_pb2, freshness_pb2, jwks_pb2, principal_pb2

ISSUER, AUDIENCE = "https://issuer.example", "https://api.example"

USER, SESSION = "user_" + "0" * 26, "sess_" + "0" * 26

ACCOUNT = "acct_" + "0" * 26

VALIDATE, WATCH, JWKS = "ValidateCredential", "WatchRevocations", "GetJwks"

SOON = 10.0


class SigningKey:
    """A key of the service's, and tokens by it."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self._key = ec.generate_private_key(ec.SECP256R1())

    def published(self) -> jwks_pb2.JsonWebKey:
        members: Any = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return jwks_pb2.JsonWebKey(
            kid=self.kid,
            kty="EC",
            alg="ES256",
            use="sig",
            crv="P-256",
            x=members["x"],
            y=members["y"],
        )

    def token(self, age: float = 0.0, **claims: Any) -> str:
        now = time.time() - age
        return jwt.encode(
            {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "sub": USER,
                "account_id": ACCOUNT,
                "sid": SESSION,
                "scope": "sessions:*",
                "jti": "tok_1",
                "iat": now,
                "exp": now + 600,
                **claims,
            },
            self._key,
            algorithm="ES256",
            headers={"kid": self.kid, "typ": "at+jwt"},
        )


KEY = SigningKey("jwk_1")


def jwks(*keys: SigningKey) -> jwks_pb2.GetJwksResponse:
    return jwks_pb2.GetJwksResponse(
        keys=[key.published() for key in keys], max_age=Duration(seconds=300)
    )


class Told:
    """Tells a verifier what a test wants."""

    def __init__(self, server: Any, answers: Any) -> None:
        self.server = server
        self._feed = answers.Feed()
        self.revision = 1
        server.script(WATCH, self._feed)

    def tell(self, **event: Any) -> None:
        self.revision += 1
        self._feed.put(pb.WatchRevocationsResponse(revision=self.revision, **event))

    def beat(self, age: float = 0.0) -> datetime:
        as_of = Timestamp()
        as_of.FromDatetime(datetime.now(UTC) - timedelta(seconds=age))
        self.tell(heartbeat=pb.Heartbeat(as_of=as_of))
        return as_of.ToDatetime(UTC)

    def end(self) -> None:
        self._feed.end()


class Verifying:
    """Drives either verifier by the same awaitable methods."""

    def __init__(self, verifier: Any, told: Told) -> None:
        self.verifier = verifier
        self.told = told

    async def run(self, method: str, *args: Any, **kwargs: Any) -> Any:
        call = getattr(self.verifier, method)
        if inspect.iscoroutinefunction(call):
            return await call(*args, **kwargs)
        return await asyncio.to_thread(call, *args, **kwargs)

    async def check(self, *args: Any, **kwargs: Any) -> Any:
        return await self.run("check", *args, **kwargs)

    async def reason(self, *args: Any, **kwargs: Any) -> str:
        verdict = await self.check(*args, **kwargs)
        return verdict.denial.reason if verdict.denial else ""

    async def hears(self, age: float = 0.0, **event: Any) -> None:
        """Tell an event, and wait until it has been heard."""
        if event:
            self.told.tell(**event)
        beat = self.told.beat(age)
        await until(lambda: self.verifier.as_of == beat)

    def asked(self, method: str = VALIDATE) -> list[Any]:
        return [call.request for call in self.told.server.calls if call.method == method]


async def until(holds: Any) -> None:
    async with asyncio.timeout(SOON):
        while not holds():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


def good(**changes: Any) -> pb.ValidateCredentialResponse:
    principal = principal_pb2.Principal(
        **{
            "kind": principal_pb2.PRINCIPAL_KIND_USER,
            "account_id": ACCOUNT,
            "user_id": USER,
            "session_id": SESSION,
            "scopes": ["sessions:read"],
            **changes,
        }
    )
    return pb.ValidateCredentialResponse(principal=principal, freshness=fresh())


def refused(reason: Any, status: int = 401) -> pb.ValidateCredentialResponse:
    denial = denial_pb2.Denial(
        reason=reason, message="refused", http_status=status, error="UNAUTHORIZED"
    )
    return pb.ValidateCredentialResponse(denial=denial, freshness=fresh())


def fresh() -> freshness_pb2.Freshness:
    return freshness_pb2.Freshness(
        source=freshness_pb2.FRESHNESS_SOURCE_DATABASE, as_of=Timestamp(seconds=1_700_000_000)
    )


def without_session() -> str:
    claims = jwt.decode(KEY.token(), options={"verify_signature": False})
    del claims["sid"]
    return jwt.encode(claims, KEY._key, "ES256", headers={"kid": KEY.kid, "typ": "at+jwt"})  # noqa: SLF001
