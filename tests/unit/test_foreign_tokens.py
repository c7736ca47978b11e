"""Tokens of another issuer, made by a library that is not ours: which are good, and why not."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, OKPKey

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.denials import DenialReason
from authsvc.domain.findings import FindingCode as Code
from authsvc.domain.foreign_issuers import ForeignAlgorithm
from authsvc.domain.freshness import NO_DEMAND
from tests.issuing import AUDIENCE, Key, OidcIssuer, ec_key, rsa_key, serving_issuer
from tests.unit.examples import NoHurry
from tests.unit.foreign import Verifying, verifying
from tests.unit.forging import b64, with_spare_bits_changed

EC, RSA = ec_key("ec-1"), rsa_key("rsa-1")
STRANGER = ec_key("ec-1")
Forge: TypeAlias = Callable[[OidcIssuer], str]


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def issuer() -> AsyncIterator[OidcIssuer]:
    async with serving_issuer(EC, RSA) as served:
        yield served


@pytest.fixture
def verify(issuer: OidcIssuer) -> Verifying:
    return verifying(issuer)


async def codes(verify: Verifying, token: str) -> list[Code]:
    reading = await verify.examiner.examine(token, NoHurry())
    return [finding.code for finding in reading.findings]


@pytest.mark.parametrize("key", [EC, RSA], ids=["EC", "RSA"])
async def test_a_good_token_is_accepted(issuer: OidcIssuer, verify: Verifying, key: ECKey) -> None:
    claims = await verify(issuer.token(key, scope="openid read"))

    assert isinstance(claims, AccessTokenClaims)
    assert (claims.subject, claims.scopes) == ("local|ada", ("sessions:read",))


async def test_every_algorithm_can_be_accepted() -> None:
    keys: list[Key] = [
        *(rsa_key(name, name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        *(
            ECKey.generate_key(curve, {"kid": name, "alg": name}, private=True)
            for curve, name in (("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512"))
        ),
    ]
    async with serving_issuer(*keys) as served:
        verify = verifying(served, algorithms=tuple(ForeignAlgorithm))

        assert [await verify.accepts(served.token(key)) for key in keys] == [True] * 9


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
async def test_ed25519_can_be_accepted() -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "ed", "alg": "EdDSA"}, private=True)
    async with serving_issuer(key) as served:
        assert await verifying(served, algorithms=[ForeignAlgorithm.EDDSA]).accepts(
            served.token(key)
        )
        assert not await verifying(served).accepts(served.token(key))


def hmac_with_public_key(issuer: OidcIssuer) -> str:
    """What a verifier accepts that takes the algorithm from the token."""
    pem = RSA.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = b64(json.dumps({"alg": "HS256", "kid": "rsa-1", "typ": "JWT"}).encode())
    message = f"{head}.{issuer.token().split('.')[1]}"
    return f"{message}.{b64(hmac.digest(pem, message.encode(), 'sha256'))}"


def unsigned(issuer: OidcIssuer) -> str:
    head = b64(json.dumps({"alg": "none", "kid": "ec-1", "typ": "JWT"}).encode())
    return f"{head}.{issuer.token().split('.')[1]}."


def with_altered_claims(issuer: OidcIssuer) -> str:
    head, _, signature = issuer.token().split(".")
    return f"{head}.{issuer.token(sub='eve').split('.')[1]}.{signature}"


def with_another_spelling(issuer: OidcIssuer) -> str:
    token = issuer.token(RSA)
    return with_spare_bits_changed(token)


def with_member_twice(issuer: OidcIssuer) -> str:
    head, body, signature = issuer.token().split(".")
    claims = base64.urlsafe_b64decode(body + "==")[:-1] + b',"sub":"eve"}'
    return f"{head}.{b64(claims)}.{signature}"


def with_own_key(issuer: OidcIssuer) -> str:
    return issuer.token(STRANGER, {"jwk": STRANGER.as_dict(private=False)})


BAD: dict[str, tuple[Forge, list[Code]]] = {
    "HMAC with the public key": (hmac_with_public_key, [Code.TOKEN_ALGORITHM_NOT_ACCEPTED]),
    "alg none": (unsigned, [Code.TOKEN_UNSIGNED]),
    "altered claims": (with_altered_claims, [Code.TOKEN_SIGNATURE]),
    "another spelling": (with_another_spelling, [Code.TOKEN_SIGNATURE]),
    "a key of its own": (with_own_key, [Code.TOKEN_SIGNATURE]),
    "signed by a stranger": (lambda i: i.token(STRANGER), [Code.TOKEN_SIGNATURE]),
    "crit": (
        lambda i: i.token(header={"crit": ["b64"], "b64": True}),
        [Code.TOKEN_CRITICAL],
    ),
    "another type": (lambda i: i.token(header={"typ": "x"}), [Code.TOKEN_TYPE_NOT_ACCEPTED]),
    "no type": (lambda i: i.token(header={"typ": None}), [Code.TOKEN_TYPE_NOT_ACCEPTED]),
    "an algorithm of another key": (
        lambda i: i.token(rsa_key("ec-1")),
        [Code.TOKEN_KEY_NOT_OF_ISSUER],
    ),
    "an unknown key": (lambda i: i.token(ec_key("ec-9")), [Code.TOKEN_KEY_NOT_OF_ISSUER]),
    "a long kid": (lambda i: i.token(header={"kid": "a" * 256}), [Code.TOKEN_HEADER_UNREADABLE]),
    "a long header": (
        lambda i: i.token(header={"x5c": ["a" * 4000]}),
        [Code.TOKEN_HEADER_UNREADABLE],
    ),
    "another audience": (lambda i: i.token(aud="https://other.example"), [Code.TOKEN_AUDIENCE]),
    "too long a life": (lambda i: i.token(exp=10**10), [Code.TOKEN_LIFETIME]),
    "no iat": (lambda i: i.token(iat=None), [Code.TOKEN_CLAIM_MISSING]),
    "no sub": (lambda i: i.token(sub=None), [Code.TOKEN_CLAIM_MISSING]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_token_is_refused_and_explained(
    issuer: OidcIssuer, verify: Verifying, name: str
) -> None:
    forge, expected = BAD[name]
    token = forge(issuer)

    assert await codes(verify, token) == expected
    assert not await verify.accepts(token)


async def test_a_payload_with_a_member_twice_is_nobodys(
    issuer: OidcIssuer, verify: Verifying
) -> None:
    token = with_member_twice(issuer)

    assert not await verify.accepts(token)
    assert Code.TOKEN_PAYLOAD_UNREADABLE in await codes(verify, token)


async def test_an_expired_token_is_called_expired(issuer: OidcIssuer, verify: Verifying) -> None:
    token = issuer.token(iat=1_700_000_000, exp=1_700_000_300)

    assert await verify(token) is DenialReason.TOKEN_EXPIRED
    assert await codes(verify, token) == [Code.TOKEN_EXPIRED]


async def test_members_of_the_header_that_are_not_known_are_passed_over(
    issuer: OidcIssuer, verify: Verifying
) -> None:
    header = {"x5t": "abc", "jku": "https://evil.example/keys", "typ": "application/AT+JWT"}

    assert await verify.accepts(issuer.token(header=header))


async def test_a_token_without_type_can_be_accepted(issuer: OidcIssuer) -> None:
    verify = verifying(issuer, token_types=frozenset({""}))

    assert await verify.accepts(issuer.token(header={"typ": None}))
    assert not await verify.accepts(issuer.token())


async def test_a_kid_is_needed_where_several_keys_fit() -> None:
    first, second = ec_key("1"), ec_key("2")
    async with serving_issuer(first, RSA) as served:
        assert await verifying(served).accepts(served.token(first, {"kid": None}))
    async with serving_issuer(first, second) as served:
        verify = verifying(served)
        token = served.token(first, {"kid": None})

        assert not await verify.accepts(token)
        assert await codes(verify, token) == [Code.TOKEN_KEY_UNCLEAR]
        assert await verify.accepts(served.token(first))


async def test_one_issuer_cannot_speak_for_another(issuer: OidcIssuer) -> None:
    async with serving_issuer(ec_key("ec-2")) as other:
        verify = verifying(issuer)

        assert not await verify.accepts(other.token(iss=issuer.url))
        assert not await verify.accepts(issuer.token(iss=other.url))


async def test_a_token_of_an_unknown_issuer_is_invalid_and_nothing_is_fetched(
    issuer: OidcIssuer, verify: Verifying
) -> None:
    issuer.asked.clear()

    for iss in ("https://stranger.example", issuer.url + "/", "", None, 1, [issuer.url]):
        assert not await verify.accepts(issuer.token(iss=iss))

    reading = await verify.examiner.examine(issuer.token(iss="https://x.example"), NoHurry())
    assert Code.TOKEN_ISSUER in {finding.code for finding in reading.findings}
    assert reading.issuer == ""
    assert not issuer.asked


async def test_a_good_token_is_remembered_until_its_key_is_withdrawn(
    issuer: OidcIssuer, verify: Verifying
) -> None:
    token = issuer.token()
    assert verify.verifier.verify_now(token) is None
    assert not verify.verifier.knows(token)

    verified = await verify.verifier.verify(token, NO_DEMAND, NoHurry())

    remembered = verify.verifier.verify_now(token)
    assert remembered is not None
    assert remembered.outcome == verified.outcome
    assert verify.verifier.knows(token)
    verify.watch.seconds += 3601
    assert verify.verifier.verify_now(token) is None


async def test_what_a_good_token_opens_is_told_and_whose_it_is(
    issuer: OidcIssuer, verify: Verifying
) -> None:
    reading = await verify.examiner.examine(issuer.token(scope="read x"), NoHurry())

    assert (reading.findings, reading.scopes, reading.issuer) == ((), ("sessions:read",), "local")
    forged = await verify.examiner.examine(issuer.token(STRANGER), NoHurry())
    assert (forged.scopes, forged.issuer) == (None, "local")


async def test_audience_may_be_one_of_several(issuer: OidcIssuer, verify: Verifying) -> None:
    assert await verify.accepts(issuer.token(aud=["https://other.example", AUDIENCE]))
