"""Both token verifiers before a real server: what they judge alone, and when they ask."""
# Fixtures come from conftest, which tests cannot import.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth import (
    AsyncAuthClient,
    AsyncTokenVerifier,
    AuthClient,
    ConfigurationError,
    CredentialDenied,
    FreshnessSource,
    PrincipalKind,
    RequestContext,
    TokenVerifier,
    Unavailable,
    _verifier_parts,
)
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


@pytest.fixture
def told(server: Any, answers: Any) -> Iterator[Told]:
    server.script(JWKS, jwks(KEY))
    server.script(VALIDATE, good())
    told = Told(server, answers)
    yield told
    told.end()


@pytest.fixture
async def make(connect: Any, told: Told) -> AsyncIterator[Any]:
    made: list[Verifying] = []

    def verifier(**settings: Any) -> Verifying:
        client = connect(told.server.target, api_key="k", plaintext=True).client
        kind = AsyncTokenVerifier if isinstance(client, AsyncAuthClient) else TokenVerifier
        arguments = {"issuer": ISSUER, "audience": AUDIENCE, "leeway": timedelta(0)}
        made.append(Verifying(kind(client, **{**arguments, **settings}), told))
        return made[-1]

    yield verifier
    for one in made:
        await one.run("close")


@pytest.fixture
async def live(make: Any) -> Verifying:
    """Give a verifier that has its keys and follows the watch."""
    verifying: Verifying = make()
    # The first call begins; the keys are there when an unknown one is known to be unknown.
    await verifying.check(None)
    await until(lambda: verifying.asked(JWKS))
    await until(lambda: verifying.verifier._keys._kept is not None)  # noqa: SLF001
    await verifying.hears()
    return verifying


async def test_a_token_of_a_session_costs_no_call(live: Verifying) -> None:
    token = KEY.token()

    verdicts = [await live.check(f"Bearer {token}") for _ in range(3)]

    assert live.asked() == []
    principal = verdicts[0].principal
    assert principal.kind is PrincipalKind.USER
    assert (principal.account_id, principal.user_id) == (ACCOUNT, USER)
    assert (principal.session_id, principal.scopes) == (SESSION, ("sessions:*",))
    assert verdicts[0].freshness.source is FreshnessSource.CACHE
    assert verdicts[0].freshness.as_of == live.verifier.as_of


async def test_verify_returns_the_principal_or_raises(live: Verifying) -> None:
    assert (await live.run("verify", KEY.token())).user_id == USER
    with pytest.raises(CredentialDenied) as caught:
        await live.run("verify", KEY.token(exp=1))
    assert caught.value.denial.reason == "TOKEN_EXPIRED"


async def test_the_service_is_asked_before_the_watch_has_begun(make: Any) -> None:
    verifying = make()

    verdict = await verifying.check(KEY.token(), required_scopes=["sessions:read"])

    assert verifying.verifier.as_of is None
    assert verdict.principal.scopes == ("sessions:read",)
    assert len(verifying.asked()) == 1


@pytest.mark.parametrize(
    "claims",
    [{"sub": "user_dev"}, {"sid": "sess_7"}, {"sid": None}, {"exp": time.time() + 7200}],
    ids=["user of no form", "session of no form", "no session", "longer-lived than an hour"],
)
async def test_a_token_that_an_operator_signed_is_asked_about_once(
    live: Verifying, claims: dict[str, Any]
) -> None:
    token = KEY.token(**claims)
    if claims.get("sid", "") is None:
        token = without_session()

    assert [await live.reason(token) for _ in range(3)] == ["", "", ""]

    assert len(live.asked()) == 1


def without_session() -> str:
    claims = jwt.decode(KEY.token(), options={"verify_signature": False})
    del claims["sid"]
    return jwt.encode(claims, KEY._key, "ES256", headers={"kid": KEY.kid, "typ": "at+jwt"})  # noqa: SLF001


async def test_a_token_from_before_the_watch_is_asked_about_once(live: Verifying) -> None:
    token = KEY.token(age=60)

    principals = [(await live.check(token)).principal for _ in range(3)]

    # What the service says of its scopes goes before what the token says.
    assert {principal.scopes for principal in principals} == {("sessions:read",)}
    [request] = live.asked()
    assert request.credential == token
    assert request.freshness.at_least_revision == live.told.revision


@pytest.mark.parametrize("scopes", [[], ["*"], ["sessions:read"], ["sessions:write"]])
@pytest.mark.parametrize("age", [0.0, 60.0], ids=["judged here", "asked about"])
async def test_scopes_are_judged_here(live: Verifying, age: float, scopes: list[str]) -> None:
    token = KEY.token(age=age, scope="sessions:read")

    verdicts = [await live.check(token, required_scopes=scopes) for _ in range(2)]

    for verdict in verdicts:
        if scopes in ([], ["sessions:read"]):
            assert verdict.principal is not None
        else:
            assert verdict.denial.reason == "INSUFFICIENT_SCOPE"
            assert (verdict.denial.http_status, verdict.denial.error) == (403, "FORBIDDEN")
            assert verdict.denial.www_authenticate == (
                'Bearer realm="orchestrator", error="insufficient_scope", '
                f'error_description="Insufficient scope", scope="{scopes[0]}"'
            )


async def test_an_ended_session_is_denied_without_a_call(live: Verifying) -> None:
    token = KEY.token()
    assert await live.check(token)

    await live.hears(
        session_revoked=pb.SessionRevoked(session_id=SESSION, user_id=USER, account_id=ACCOUNT)
    )
    denial = (await live.check(token)).denial

    assert (denial.reason, denial.message) == ("TOKEN_REVOKED", "Token revoked")
    assert (denial.http_status, denial.error) == (401, "UNAUTHORIZED")
    assert "invalid_token" in denial.www_authenticate
    assert live.asked() == []
    # Another session of the same user goes on.
    assert await live.check(KEY.token(sid=f"sess_{'1' * 26}"))


async def test_an_ended_session_stays_ended_while_the_watch_is_silent(live: Verifying) -> None:
    token = KEY.token()
    await live.hears(session_revoked=pb.SessionRevoked(session_id=SESSION, user_id=USER))
    live.told.beat(age=3600)
    await until(lambda: live.verifier.as_of is None)

    assert await live.reason(token) == "TOKEN_REVOKED"
    assert live.asked() == []


CHANGES: dict[str, Any] = {
    "user": {"user_changed": pb.UserChanged(user_id=USER, account_id=ACCOUNT)},
    "account": {"account_changed": pb.AccountChanged(account_id=ACCOUNT)},
    "reset": {"reset": pb.Reset()},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_after_a_change_older_tokens_are_asked_about_once(
    live: Verifying, change: str
) -> None:
    old = KEY.token()
    assert await live.check(old)

    await live.hears(**CHANGES[change])
    revision = live.told.revision
    await live.check(old)
    await live.check(old)
    await live.check(KEY.token())

    [request] = live.asked()
    assert (request.credential, request.freshness.at_least_revision) == (old, revision)


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_ends_what_the_service_said(live: Verifying, change: str) -> None:
    token = KEY.token(age=60)
    assert await live.check(token)
    live.told.server.script(VALIDATE, refused(denial_pb2.DENIAL_REASON_TOKEN_REVOKED), good())

    await live.hears(**CHANGES[change])
    reasons = [await live.reason(token) for _ in range(2)]
    await live.hears(**CHANGES[change])

    assert reasons == ["TOKEN_REVOKED", "TOKEN_REVOKED"]
    assert await live.reason(token) == ""
    assert len(live.asked()) == 3


async def test_a_change_of_others_ends_nothing(live: Verifying) -> None:
    token = KEY.token(age=60)
    await live.check(token)

    other = "1" * 26
    await live.hears(user_changed=pb.UserChanged(user_id=f"user_{other}", account_id=ACCOUNT))
    await live.hears(account_changed=pb.AccountChanged(account_id=f"acct_{other}"))
    await live.hears(key_revoked=pb.KeyRevoked(key_id=f"key_{other}", account_id=ACCOUNT))
    await live.check(token)

    assert len(live.asked()) == 1


async def test_a_denial_that_no_event_ends_is_not_kept(live: Verifying) -> None:
    live.told.server.script(VALIDATE, refused(denial_pb2.DENIAL_REASON_RATE_LIMITED, 429), good())
    token = KEY.token(age=60)

    assert [await live.reason(token) for _ in range(2)] == ["RATE_LIMITED", ""]


async def test_a_stale_watch_means_a_call_each_time(live: Verifying) -> None:
    live.told.beat(age=3600)
    await until(lambda: live.verifier.as_of is None)
    token = KEY.token()

    for _ in range(3):
        assert await live.check(token)

    assert len(live.asked()) == 3
    assert not live.asked()[0].HasField("freshness")


async def test_when_nobody_can_tell_it_raises(live: Verifying, answers: Any) -> None:
    live.told.server.script(VALIDATE, answers.Failure(grpc.StatusCode.UNAVAILABLE))
    live.told.beat(age=3600)
    await until(lambda: live.verifier.as_of is None)

    with pytest.raises(Unavailable):
        await live.check(KEY.token())
    # What needs nobody's knowledge is told all the same.
    assert await live.reason(KEY.token(exp=1)) == "TOKEN_EXPIRED"
    assert await live.reason(SigningKey(KEY.kid).token()) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("value", "reason", "challenge"),
    [
        (None, "MISSING_CREDENTIAL", 'Bearer realm="orchestrator"'),
        ("", "MISSING_CREDENTIAL", 'Bearer realm="orchestrator"'),
        ("Bearer ", "MISSING_CREDENTIAL", 'Bearer realm="orchestrator"'),
        ("Basic dTpw", "UNSUPPORTED_SCHEME", 'Bearer realm="orchestrator"'),
    ],
)
async def test_what_holds_no_credential_is_denied_here(
    live: Verifying, value: str | None, reason: str, challenge: str
) -> None:
    denial = (await live.check(value)).denial

    assert (denial.reason, denial.www_authenticate) == (reason, challenge)
    assert live.asked() == []


async def test_an_api_key_is_the_services_to_judge(live: Verifying, answers: Any) -> None:
    context = RequestContext(client_ip="192.0.2.1")
    for _ in range(2):
        await live.check(answers.EXAMPLE_KEY, required_scopes=["a", "b"], context=context)

    requests = live.asked()
    assert [list(request.required_scopes) for request in requests] == [["a", "b"]] * 2
    assert requests[0].credential == answers.EXAMPLE_KEY
    assert requests[0].context.client_ip == "192.0.2.1"


async def test_a_token_of_another_issuer_is_denied_or_the_services_to_judge(make: Any) -> None:
    strict, open_ = make(), make(other_issuers=True)
    other = KEY.token(iss="https://other.example")
    foreign = SigningKey("theirs").token(iss="https://other.example")
    for verifying in (strict, open_):
        await verifying.check(None)
        await until(lambda v=verifying: v.verifier._keys._kept is not None)  # noqa: SLF001

    assert [await strict.reason(token) for token in (other, foreign)] == ["TOKEN_INVALID"] * 2
    assert strict.asked() == []
    assert [await open_.reason(foreign, required_scopes=["a"]) for _ in range(2)] == ["", ""]
    assert [list(request.required_scopes) for request in open_.asked()] == [["a"], ["a"]]
    # What names our issuer is judged by our keys alone.
    assert await open_.reason(SigningKey("jwk_9").token()) == "TOKEN_INVALID"
    assert await open_.reason("e30.e30.e30") == "TOKEN_INVALID"


@pytest.mark.parametrize("scope", ["", "A", "a b", "authsvc:root", "a" * 129, 7])
async def test_what_is_no_scope_is_a_mistake(live: Verifying, scope: Any) -> None:
    with pytest.raises(ValueError, match="scope"):
        await live.check(KEY.token(scope="*"), required_scopes=[scope])


async def test_arguments_of_a_wrong_kind_are_mistakes(live: Verifying) -> None:
    with pytest.raises(TypeError):
        await live.check(b"Bearer x")
    with pytest.raises(TypeError):
        await live.check(KEY.token(), required_scopes="sessions:read")


async def test_keys_that_cannot_be_had_mean_asking(
    make: Any, told: Told, answers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told.server.script(JWKS, answers.Failure(grpc.StatusCode.INTERNAL, "no keys today"))
    verifying = make()
    with caplog.at_level(logging.WARNING, "orchestrator.auth"):
        assert await verifying.check(SigningKey("jwk_1").token())
        await until(lambda: "no keys today" in caplog.text)
    assert len(verifying.asked()) == 1


async def test_an_unknown_key_is_fetched_at_most_once_in_a_while(
    live: Verifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = SigningKey("jwk_2")
    live.told.server.script(JWKS, jwks(new))
    # Ten seconds later, as far as the keys can tell.
    keys = live.verifier._keys  # noqa: SLF001
    monkeypatch.setattr(keys, "_monotonic", lambda: time.monotonic() + 11)
    fetched = len(live.asked(JWKS))

    assert await live.check(new.token())
    # A key that is in the set no more verifies no more.
    assert await live.reason(KEY.token()) == "TOKEN_INVALID"
    for kid in ("jwk_3", "jwk_4"):
        assert await live.reason(SigningKey(kid).token()) == "TOKEN_INVALID"

    assert len(live.asked(JWKS)) == fetched + 1
    assert live.asked() == []


async def test_an_unknown_key_that_cannot_be_fetched_is_asked_about(
    live: Verifying, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.told.server.script(JWKS, answers.Failure(grpc.StatusCode.INTERNAL))
    keys = live.verifier._keys  # noqa: SLF001
    monkeypatch.setattr(keys, "_monotonic", lambda: time.monotonic() + 11)

    assert await live.check(SigningKey("jwk_2").token())
    assert len(live.asked()) == 1


async def test_a_watch_that_is_refused_is_begun_anew(
    make: Any,
    told: Told,
    answers: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(_verifier_parts, "_LONGEST_PAUSE", 0.01)
    stream = told.server.steps[WATCH][0]
    told.server.script(
        WATCH, [answers.Failure(grpc.StatusCode.PERMISSION_DENIED, "not you")], stream
    )
    verifying = make()

    with caplog.at_level(logging.WARNING, "orchestrator.auth"):
        await verifying.check(None)
        await verifying.hears()

    assert "not you" in caplog.text
    assert len(verifying.asked(WATCH)) == 2


async def test_a_closed_verifier_says_so(live: Verifying) -> None:
    [call] = [call for call in live.told.server.calls if call.method == WATCH]

    await live.run("close")
    await live.run("close")

    assert await asyncio.to_thread(call.ended.wait, SOON)
    assert not [t for t in threading.enumerate() if t.name.startswith("token-verifier")]
    with pytest.raises(ConfigurationError, match="closed"):
        await live.check(None)


async def test_a_block_begins_and_ends_it(connect: Any, told: Told) -> None:
    client = connect(told.server.target, api_key="k", plaintext=True).client
    if isinstance(client, AuthClient):
        with TokenVerifier(client, issuer=ISSUER, audience=AUDIENCE) as verifier:
            await until(lambda: [c for c in told.server.calls if c.method == WATCH])
        with pytest.raises(ConfigurationError):
            verifier.check(None)
    else:
        async with AsyncTokenVerifier(client, issuer=ISSUER, audience=AUDIENCE) as verifying:
            await until(lambda: [c for c in told.server.calls if c.method == WATCH])
        with pytest.raises(ConfigurationError):
            await verifying.check(None)


async def test_a_closed_client_is_not_taken_for_a_verdict(
    live: Verifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_verifier_parts, "_LONGEST_PAUSE", 0.01)
    client = live.verifier._client  # noqa: SLF001
    if isinstance(client, AuthClient):
        client.close()
    else:
        await client.close()

    with pytest.raises(ConfigurationError, match="client is closed"):
        await live.check(KEY.token(age=60))


async def test_many_at_once_agree(live: Verifying) -> None:
    old, new = KEY.token(age=60), KEY.token()
    if isinstance(live.verifier, TokenVerifier):
        check = live.verifier.check
        with ThreadPoolExecutor(8) as pool:
            verdicts = list(pool.map(check, [old, new] * 50))
    else:
        verdicts = await asyncio.gather(*(live.check(token) for token in [old, new] * 50))

    assert all(verdicts)
    assert {request.credential for request in live.asked()} == {old}


@pytest.mark.parametrize(
    "settings",
    [
        {"issuer": ""},
        {"audience": ""},
        {"leeway": timedelta(seconds=-1)},
        {"leeway": timedelta(minutes=6)},
        {"max_staleness": timedelta(0)},
        {"max_key_age": timedelta(0)},
        {"remembered": 0},
    ],
)
def test_settings_have_bounds(make: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        make(**settings)


def test_a_missing_library_is_named(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "orchestrator.auth._public_keys", raising=False)
    monkeypatch.delattr("orchestrator.auth._public_keys", raising=False)
    monkeypatch.setitem(sys.modules, "jwt", None)

    with pytest.raises(ConfigurationError, match=r"orchestrator-auth\[verifier\]"):
        make()


async def test_it_shows_no_secret(live: Verifying) -> None:
    token = KEY.token()
    await live.check(token)
    judge = live.verifier._judge  # noqa: SLF001

    assert token not in repr(live.verifier) + repr(vars(judge))
    assert repr(live.verifier).startswith(type(live.verifier).__name__)
