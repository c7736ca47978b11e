"""Good tokens, expired tokens, and what the signer makes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta

import pytest

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.denials import DenialReason
from authsvc.domain.freshness import NO_DEMAND, FreshnessDemand, FreshnessSource
from authsvc.domain.signing_keys import SigningAlgorithm
from authsvc.tokens.key_material import load_private_key
from authsvc.tokens.signer import AccessTokenSigner
from authsvc.tokens.stored_keys import SigningKey
from authsvc.tokens.verifier import AccessTokenVerifier
from tests.unit.examples import NoHurry
from tests.unit.forging import (
    CLAIMS,
    NOW,
    RULES,
    SEALER,
    Issuer,
    KeysInMemory,
    T,
    Watch,
    a_keyring,
    a_verifier,
)

Issuers = Mapping[SigningAlgorithm, Issuer]
EXPIRED_CLAIMS = CLAIMS | {"iat": T - 3600, "exp": T - 60}
NO_HURRY = NoHurry()
AUTHORITATIVE = FreshnessDemand(authoritative=True)


@pytest.fixture(params=list(SigningAlgorithm))
def issuer(issuers: Issuers, request: pytest.FixtureRequest) -> Issuer:
    return issuers[request.param]


async def _outcome(token: str, *issuers: Issuer) -> AccessTokenClaims | DenialReason:
    verification = await a_verifier(*issuers).verify(token, NO_DEMAND, NO_HURRY)
    return verification.outcome


def _signer(issuer: Issuer) -> AccessTokenSigner:
    key = SigningKey(
        issuer.kid, issuer.algorithm, load_private_key(issuer.algorithm, issuer.private_bytes)
    )
    return AccessTokenSigner(key=key, issuer=RULES.issuer, audience=RULES.audience)


def _sign(issuer: Issuer, *, session_id: str = "") -> str:
    return _signer(issuer).sign(
        user_id="user_1",
        account_id="acct_00000000000000000000000001",
        scopes=["sessions:read", "profiles:*"],
        token_id="jti_1",
        issue_time=NOW,
        ttl=timedelta(minutes=15),
        session_id=session_id,
    )


def _segment(token: str, number: int) -> dict[str, object]:
    segment = token.split(".")[number]
    decoded = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    assert isinstance(decoded, dict)
    return decoded


async def test_a_good_token_is_read(issuer: Issuer) -> None:
    assert await _outcome(issuer.token(), issuer) == AccessTokenClaims(
        subject="user_1",
        account_id="acct_00000000000000000000000001",
        scopes=("sessions:read",),
        expire_time=NOW + timedelta(seconds=60),
        issue_time=NOW - timedelta(seconds=60),
        token_id="jti_1",
    )


async def test_a_good_token_is_read_among_keys_of_all_algorithms(
    issuer: Issuer, issuers: Issuers
) -> None:
    assert isinstance(await _outcome(issuer.token(), *issuers.values()), AccessTokenClaims)


@pytest.mark.parametrize("media_type", ["at+jwt", "AT+JWT", "application/at+jwt"])
async def test_every_spelling_of_the_type_is_read(issuer: Issuer, media_type: str) -> None:
    token = issuer.token(header=issuer.header(typ=media_type))

    assert isinstance(await _outcome(token, issuer), AccessTokenClaims)


async def test_an_expired_token_with_a_good_signature_is_expired(issuer: Issuer) -> None:
    outcome = await _outcome(issuer.token(payload=EXPIRED_CLAIMS), issuer)

    assert outcome is DenialReason.TOKEN_EXPIRED


async def test_an_expired_token_with_a_bad_signature_is_invalid(issuer: Issuer) -> None:
    expired = issuer.token(payload=EXPIRED_CLAIMS)
    forged = f"{expired.rpartition('.')[0]}.{issuer.token().rpartition('.')[2]}"

    assert await _outcome(forged, issuer) is DenialReason.TOKEN_INVALID


async def test_an_expired_token_of_another_issuer_is_invalid(issuer: Issuer) -> None:
    token = issuer.token(payload=EXPIRED_CLAIMS | {"iss": "https://other.example"})

    assert await _outcome(token, issuer) is DenialReason.TOKEN_INVALID


async def test_what_the_signer_signs_is_good(issuer: Issuer) -> None:
    assert await _outcome(_sign(issuer, session_id="sess_1"), issuer) == AccessTokenClaims(
        subject="user_1",
        account_id="acct_00000000000000000000000001",
        scopes=("sessions:read", "profiles:*"),
        expire_time=NOW + timedelta(minutes=15),
        issue_time=NOW,
        token_id="jti_1",
        session_id="sess_1",
    )


def test_a_signed_token_has_the_header_of_rfc_9068(issuer: Issuer) -> None:
    assert _segment(_sign(issuer), 0) == {
        "alg": issuer.algorithm.value,
        "kid": issuer.kid,
        "typ": "at+jwt",
    }


def test_a_signed_token_has_the_claims_of_rfc_9068(issuers: Issuers) -> None:
    assert _segment(_sign(issuers[SigningAlgorithm.ES256]), 1) == {
        "iss": RULES.issuer,
        "aud": RULES.audience,
        "sub": "user_1",
        "client_id": "dashboard",
        "account_id": "acct_00000000000000000000000001",
        "scope": "sessions:read profiles:*",
        "jti": "jti_1",
        "iat": T,
        "exp": T + 900,
    }


async def test_a_verdict_says_how_old_the_keys_were(issuers: Issuers) -> None:
    issuer, watch = issuers[SigningAlgorithm.ES256], Watch()
    keyring = a_keyring(KeysInMemory(issuer.sealed_by(SEALER)), watch)
    verifier = AccessTokenVerifier(keyring=keyring, rules=RULES, remembered=100, clock=watch.now)
    await verifier.verify(issuer.token(), NO_DEMAND, NO_HURRY)
    watch.seconds += 2

    verification = await verifier.verify(issuer.token(), NO_DEMAND, NO_HURRY)

    assert (verification.freshness.source, verification.freshness.as_of) == (
        FreshnessSource.CACHE,
        NOW,
    )


async def test_a_fresh_verdict_does_not_trust_a_key_that_was_taken_out(issuers: Issuers) -> None:
    issuer, watch = issuers[SigningAlgorithm.ES256], Watch()
    store = KeysInMemory(issuer.sealed_by(SEALER))
    verifier = AccessTokenVerifier(
        keyring=a_keyring(store, watch), rules=RULES, remembered=100, clock=watch.now
    )
    await verifier.verify(issuer.token(), NO_DEMAND, NO_HURRY)
    store.keys.clear()

    verification = await verifier.verify(issuer.token(), AUTHORITATIVE, NO_HURRY)

    assert verification.outcome is DenialReason.TOKEN_INVALID


async def test_a_malformed_token_does_not_cost_a_read(issuers: Issuers) -> None:
    store = KeysInMemory(issuers[SigningAlgorithm.ES256].sealed_by(SEALER))
    verifier = AccessTokenVerifier(
        keyring=a_keyring(store, Watch()), rules=RULES, remembered=100, clock=lambda: NOW
    )

    await verifier.verify("a.b.c", NO_DEMAND, NO_HURRY)

    assert store.reads == 0
