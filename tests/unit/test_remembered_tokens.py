"""Tokens that were verified are remembered: what is judged again, and what makes them forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

from authsvc.domain.access_tokens import AccessTokenClaims, TokenVerification
from authsvc.domain.denials import DenialReason
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.signing_keys import SigningAlgorithm
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
)

Issuers = Mapping[SigningAlgorithm, Issuer]
NO_HURRY = NoHurry()
LEEWAY = RULES.leeway.total_seconds()


class Served:
    """A verifier with its clocks and its keyring's store."""

    def __init__(self, *issuers: Issuer, remembered: int = 100) -> None:
        self.watch = Watch()
        self.clock_error = timedelta(0)
        self.store = KeysInMemory(*(issuer.sealed_by(SEALER) for issuer in issuers))
        self.verifier = AccessTokenVerifier(
            keyring=a_keyring(self.store, self.watch),
            rules=RULES,
            remembered=remembered,
            clock=self.now,
        )

    def now(self) -> datetime:
        return self.watch.now() + self.clock_error

    async def verify(
        self, token: str, demand: FreshnessDemand = NO_DEMAND
    ) -> AccessTokenClaims | DenialReason:
        return (await self.verifier.verify(token, demand, NO_HURRY)).outcome

    def recall(self, token: str) -> TokenVerification | None:
        return self.verifier.verify_now(token)


@pytest.fixture(params=list(SigningAlgorithm))
def issuer(issuers: Issuers, request: pytest.FixtureRequest) -> Issuer:
    return issuers[request.param]


@pytest.fixture
def served(issuer: Issuer) -> Served:
    return Served(issuer)


async def test_a_token_is_not_known_before_it_was_verified(served: Served, issuer: Issuer) -> None:
    await served.verify(issuer.token(payload=CLAIMS | {"jti": "another"}))

    assert served.recall(issuer.token()) is None


async def test_a_good_token_is_remembered_as_it_was_read(served: Served, issuer: Issuer) -> None:
    token = issuer.token()
    claims = await served.verify(token)

    recalled = served.recall(token)

    assert recalled == TokenVerification(claims, Freshness(FreshnessSource.CACHE, NOW))


async def test_a_remembered_token_says_how_old_the_keyring_is(
    served: Served, issuer: Issuer
) -> None:
    token = issuer.token()
    await served.verify(token)
    served.watch.seconds += 2
    await served.verify(token, FreshnessDemand(authoritative=True))
    served.watch.seconds += 2

    recalled = served.recall(token)

    assert recalled is not None
    assert recalled.freshness.as_of == NOW + timedelta(seconds=2)


@pytest.mark.parametrize("payload", [CLAIMS | {"aud": "other"}, CLAIMS | {"exp": T - 60}])
async def test_a_token_that_is_refused_is_not_remembered(
    served: Served, issuer: Issuer, payload: dict[str, object]
) -> None:
    token = issuer.token(payload=payload)
    assert isinstance(await served.verify(token), DenialReason)

    assert served.recall(token) is None


async def test_a_good_token_is_no_word_for_one_with_another_signature(
    served: Served, issuer: Issuer
) -> None:
    token = issuer.token()
    await served.verify(token)
    head, _, signature = token.rpartition(".")
    forged = f"{head}.{'A' * len(signature)}"

    assert served.recall(forged) is None
    assert served.recall(f"{head}.") is None
    assert await served.verify(forged) is DenialReason.TOKEN_INVALID


@pytest.mark.parametrize(("after", "good"), [(-1.0, True), (0.0, False), (1.0, False)])
async def test_the_expiry_of_a_remembered_token_is_judged_on_each_call(
    served: Served, issuer: Issuer, after: float, *, good: bool
) -> None:
    token = issuer.token()
    await served.verify(token)
    # The wall clock alone moves, so that the keyring stays fresh
    served.clock_error = timedelta(seconds=60 + LEEWAY + after)

    recalled = served.recall(token)

    assert recalled is not None
    assert (recalled.outcome is DenialReason.TOKEN_EXPIRED) is not good


async def test_a_remembered_token_is_not_known_when_the_keyring_is_too_old(
    served: Served, issuer: Issuer
) -> None:
    token = issuer.token()
    await served.verify(token)

    served.watch.seconds += 5.1

    assert served.recall(token) is None


async def test_a_remembered_token_ends_with_its_key(served: Served, issuer: Issuer) -> None:
    # Given a token in memory whose key is taken out of the keyring
    token = issuer.token()
    await served.verify(token)
    served.store.keys.clear()

    # When the keyring was read again for another reason
    await served.verify(issuer.token(header=issuer.header(kid="jwk_unknown")))
    served.watch.seconds += 1.1
    await served.verify(issuer.token(header=issuer.header(kid="jwk_unknown")))

    assert served.recall(token) is None
    assert await served.verify(token) is DenialReason.TOKEN_INVALID


async def test_a_remembered_token_ends_when_its_key_is_replaced_under_the_same_name(
    served: Served, issuer: Issuer
) -> None:
    token = issuer.token()
    await served.verify(token)
    made = Issuer.with_new_key(issuer.algorithm, lambda length: b"\x06" * length)
    replaced = Issuer(issuer.kid, issuer.algorithm, made.private_bytes, made.public_bytes)
    served.store.keys = [replaced.sealed_by(SEALER)]

    # When the keyring was read again for another token
    good = replaced.token()
    read = await served.verify(good, FreshnessDemand(authoritative=True))
    assert isinstance(read, AccessTokenClaims)

    assert served.recall(token) is None
    assert served.recall(good) is not None
    assert await served.verify(token) is DenialReason.TOKEN_INVALID


async def test_a_token_is_remembered_while_its_key_stays_the_same(
    served: Served, issuer: Issuer
) -> None:
    token = issuer.token()
    await served.verify(token)
    served.watch.seconds += 4
    await served.verify(issuer.token(payload=CLAIMS | {"jti": "another"}), NO_DEMAND)
    served.watch.seconds += 4
    await served.verify(issuer.token(payload=CLAIMS | {"jti": "a third"}), NO_DEMAND)

    assert served.store.reads == 2
    assert served.recall(token) is not None


async def test_no_more_tokens_are_remembered_than_may_be(issuers: Issuers) -> None:
    issuer = issuers[SigningAlgorithm.ES256]
    served = Served(issuer, remembered=3)
    tokens = [issuer.token(payload=CLAIMS | {"jti": str(number)}) for number in range(5)]

    for token in tokens:
        await served.verify(token)

    assert [served.recall(token) is not None for token in tokens] == [False] * 2 + [True] * 3
