"""The keys of an issuer over time: rotation, outages, and those who ask for too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.errors import IssuerUnavailable
from authsvc.tokens.foreign.fetching import Document
from authsvc.tokens.foreign.sources import KeySetSource
from tests.issuing import JWKS, METADATA, OidcIssuer, ec_key, rsa_key, serving_issuer
from tests.unit.examples import NoHurry
from tests.unit.foreign import Verifying, in_a_hurry, verifying


@pytest_asyncio.fixture(loop_scope="session")
async def issuer() -> AsyncIterator[OidcIssuer]:
    async with serving_issuer(ec_key("1")) as served:
        yield served


async def fail(_request: Request) -> Response:
    return Response(status_code=500)


async def is_unavailable(verify: Verifying, token: str) -> bool:
    with pytest.raises(IssuerUnavailable):
        await verify(token)
    return True


async def test_nothing_is_fetched_before_there_is_a_need(issuer: OidcIssuer) -> None:
    verifying(issuer)

    assert not issuer.asked


async def test_many_that_need_the_keys_at_once_share_one_fetch(issuer: OidcIssuer) -> None:
    verify = verifying(issuer, discovers=True)
    tokens = [issuer.token(sub=str(number)) for number in range(50)]

    assert all(await asyncio.gather(*map(verify.accepts, tokens)))
    assert issuer.asked == {METADATA: 1, JWKS: 1}


async def test_a_new_key_is_found_at_its_first_token(issuer: OidcIssuer) -> None:
    verify = verifying(issuer)
    old = issuer.token()
    assert await verify.accepts(old)

    verify.watch.seconds += 10

    issuer.keys = [ec_key("2"), *issuer.keys]

    assert await verify.accepts(issuer.token())
    assert await verify.accepts(old)
    assert issuer.asked == {JWKS: 2}


async def test_a_withdrawn_key_is_good_for_nothing(issuer: OidcIssuer) -> None:
    verify = verifying(issuer)
    old = issuer.token()
    assert await verify.accepts(old)
    issuer.keys = [ec_key("2")]
    verify.watch.seconds += 10

    assert await verify.accepts(issuer.token())

    assert verify.verifier.verify_now(old) is None
    verify.watch.seconds += 10
    assert not await verify.accepts(old)


async def test_unknown_keys_are_asked_for_once_in_ten_seconds(issuer: OidcIssuer) -> None:
    verify = verifying(issuer)
    assert await verify.accepts(issuer.token())
    verify.watch.seconds += 10
    issuer.asked.clear()

    for number in range(100):
        assert not await verify.accepts(issuer.token(ec_key(f"unknown {number}")))
        verify.watch.seconds += 0.09
    assert issuer.asked == {JWKS: 1}

    verify.watch.seconds += 1
    assert not await verify.accepts(issuer.token(ec_key("unknown")))
    assert issuer.asked == {JWKS: 2}


async def test_a_known_key_with_another_algorithm_is_not_asked_for_again(
    issuer: OidcIssuer,
) -> None:
    verify = verifying(issuer)
    assert await verify.accepts(issuer.token())
    verify.watch.seconds += 10

    assert not await verify.accepts(issuer.token(rsa_key("1")))
    assert issuer.asked == {JWKS: 1}


async def test_known_keys_serve_an_hour_without_their_issuer(issuer: OidcIssuer) -> None:
    verify = verifying(issuer)
    token = issuer.token()
    assert await verify.accepts(token)
    issuer.routes[JWKS] = fail

    verify.watch.seconds += 3600
    assert await verify.accepts(token)
    assert await verify.accepts(issuer.token(sub="bob"))

    verify.watch.seconds += 1
    assert await is_unavailable(verify, token)
    assert await is_unavailable(verify, issuer.token(ec_key("forged")))


async def test_nobody_is_denied_for_a_key_that_could_not_be_asked_for(issuer: OidcIssuer) -> None:
    verify = verifying(issuer)
    assert await verify.accepts(issuer.token())
    issuer.routes[JWKS] = fail
    verify.watch.seconds += 10

    assert await is_unavailable(verify, issuer.token(ec_key("new")))
    assert await is_unavailable(verify, issuer.token(ec_key("new")))
    assert issuer.asked == {JWKS: 2}


async def test_an_issuer_that_comes_back_is_asked_again(issuer: OidcIssuer) -> None:
    verify = verifying(issuer)
    issuer.routes[JWKS] = fail
    assert await is_unavailable(verify, issuer.token())
    del issuer.routes[JWKS]
    assert await is_unavailable(verify, issuer.token())
    assert issuer.asked == {JWKS: 1}

    verify.watch.seconds += 10

    assert await verify.accepts(issuer.token())


@pytest.mark.parametrize("document", [{"keys": []}, {"keys": [{"kty": "oct", "k": "AA"}]}, {}])
async def test_a_key_set_without_keys_is_an_outage_and_no_denial(
    issuer: OidcIssuer, document: dict[str, object]
) -> None:
    async def answer(_request: Request) -> Response:
        return JSONResponse(document)

    issuer.routes[JWKS] = answer

    assert await is_unavailable(verifying(issuer), issuer.token())


async def test_a_slow_issuer_is_given_up(issuer: OidcIssuer) -> None:
    given_up = asyncio.Event()

    async def hang(_request: Request) -> Response:
        await given_up.wait()
        return JSONResponse(issuer.jwks)

    issuer.routes[JWKS] = hang
    verify = verifying(issuer, fetch_limit=timedelta(milliseconds=50))

    assert await is_unavailable(verify, issuer.token())
    given_up.set()


async def test_a_fetch_goes_on_without_the_call_that_began_it(issuer: OidcIssuer) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def wait(_request: Request) -> Response:
        asked.set()
        await may_answer.wait()
        return JSONResponse(issuer.jwks)

    issuer.routes[JWKS] = wait
    verify = verifying(issuer)
    with pytest.raises(IssuerUnavailable):
        await verify(issuer.token(), in_a_hurry())
    await asked.wait()
    waiting = asyncio.create_task(verify(issuer.token(), NoHurry()))
    await asyncio.sleep(0)

    may_answer.set()

    assert isinstance(await waiting, AccessTokenClaims)
    assert issuer.asked == {JWKS: 1}


async def naps_between_fetches(
    issuer: OidcIssuer, number: int, source: KeySetSource | None = None
) -> list[float]:
    """Return how long the refreshing sleeps, with a clock that moves while it does."""
    naps: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        verify.watch.seconds += seconds
        if len(naps) == number:
            enough.set()
            await asyncio.Event().wait()

    verify = verifying(issuer, source=source, sleep=sleep)
    task = asyncio.create_task(verify.keys.keep_fresh())
    await enough.wait()
    task.cancel()
    await asyncio.wait([task])
    return naps


@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        (None, 300),
        ("max-age=1", 60),
        ("max-age=120", 120),
        ("max-age=86400", 3600),
        ("no-store", 60),
    ],
)
async def test_keys_are_fetched_again_when_the_issuer_says_within_bounds(
    issuer: OidcIssuer, control: str | None, seconds: float
) -> None:
    issuer.cache_control = control

    assert await naps_between_fetches(issuer, 3) == [seconds] * 3
    assert issuer.asked == {JWKS: 3}


async def test_an_issuer_that_fails_is_asked_every_ten_seconds(issuer: OidcIssuer) -> None:
    issuer.routes[JWKS] = fail

    assert await naps_between_fetches(issuer, 2) == [10, 10]
    assert issuer.asked == {JWKS: 2}


async def test_refreshing_goes_on_after_an_error_that_nobody_thought_of(
    issuer: OidcIssuer,
) -> None:
    class Faulty:
        async def fetch(self) -> Document:
            raise RuntimeError

    assert await naps_between_fetches(issuer, 2, Faulty()) == [10, 10]


async def test_refreshing_ends_with_the_fetch_that_is_under_way(issuer: OidcIssuer) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    class Hanging:
        async def fetch(self) -> Document:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            raise AssertionError

    task = asyncio.create_task(verifying(issuer, source=Hanging()).keys.keep_fresh())
    await begun.wait()
    task.cancel()

    await ended.wait()


async def test_an_answer_that_is_no_key_set_is_a_failure(issuer: OidcIssuer) -> None:
    async def break_off(_request: Request) -> Response:
        return Response(b"{", headers={"Cache-Control": "max-age=999999999"})

    issuer.routes[JWKS] = break_off

    assert await naps_between_fetches(issuer, 2) == [10, 10]


async def test_fetches_are_counted_and_their_age_is_told(issuer: OidcIssuer) -> None:
    verify = verifying(issuer)
    keys = verify.keys
    assert keys.age() is None

    assert await verify.accepts(issuer.token())
    verify.watch.seconds += 10
    assert (keys.fetched.count, keys.failed.count, keys.age()) == (1, 0, 10)

    issuer.routes[JWKS] = fail
    assert await is_unavailable(verify, issuer.token(ec_key("2")))
    assert (keys.fetched.count, keys.failed.count, keys.age()) == (1, 1, 10)
