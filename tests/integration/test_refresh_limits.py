"""Limits on refreshes: of guesses from one address, of look-ups under way, and of one session."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from authsvc import app
from authsvc.composition.services import build_services
from authsvc.domain.errors import CallerRateLimited, RefreshTokenInvalid, TooManyLookups
from authsvc.domain.tallies import Tally
from authsvc.rpc.session_servicer import SessionServicer
from authsvc.usecases.failure_limit import WINDOW_SECONDS
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, locked, refused, until_waiting
from tests.integration.support_sessions import CAFE, HOME, Sessions, a_person, refresh_of

TOKENS_LOCKED = "LOCK TABLE authsvc.refresh_tokens IN ACCESS EXCLUSIVE MODE"


def a_guess() -> str:
    return f"orchrt_{secrets.token_hex(32)}"


async def guess_too_often(sessions: Sessions, address: str) -> None:
    for _ in range(2):
        with pytest.raises(RefreshTokenInvalid):
            await sessions.refresh(a_guess(), address)


async def test_guesses_from_an_address_refuse_nobody_who_shares_it(
    shared_service: Service,
) -> None:
    sessions = Sessions(shared_service, failures_per_minute=2)
    granted = await sessions.log_in(await a_person(shared_service))

    await guess_too_often(sessions, CAFE)

    assert await sessions.refresh(granted.refresh_token, CAFE)
    assert sessions.refused_guesses.count == 0


async def test_who_guesses_too_often_has_few_tokens_looked_up_at_once(
    shared_service: Service,
) -> None:
    sessions = Sessions(shared_service, failures_per_minute=2, database_pool_size=4)
    granted = await sessions.log_in(await a_person(shared_service))
    await guess_too_often(sessions, CAFE)

    async with locked(shared_service, TOKENS_LOCKED) as connection:
        waiting = [asyncio.ensure_future(sessions.refresh(a_guess(), CAFE)) for _ in range(2)]
        await until_waiting(connection, 2)
        with pytest.raises(TooManyLookups):
            await sessions.refresh(a_guess(), CAFE)
        elsewhere = asyncio.ensure_future(sessions.refresh(granted.refresh_token, HOME))
        await until_waiting(connection, 3)
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)

    assert await elsewhere
    assert sessions.refused_guesses.count == 1


async def test_guesses_at_refresh_tokens_do_not_count_against_other_credentials(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    back_end, failures = bearer(shared_service.admin_key), shared_service.parts.judging.failures
    for _ in range(shared_service.parts.settings.failures_per_minute - 1):
        failures.count("203.0.113.5")

    unknown = await refused(
        shared_stubs.sessions.RefreshSession(
            refresh_of(a_guess(), "203.0.113.5"), metadata=back_end
        )
    )

    assert unknown.reason == "REFRESH_TOKEN_INVALID"
    assert failures.wait_for("203.0.113.5") is None


async def test_refused_refreshes_are_among_the_refused_guesses_of_the_metrics(
    shared_service: Service,
) -> None:
    parts = shared_service.parts
    refused_before = parts.judging.failures.refusals.count
    services = build_services(
        parts.settings.model_copy(update={"failures_per_minute": 1, "database_pool_size": 1}),
        parts.database,
        judging=parts.judging,
        signing=parts.signing,
        issue_key=parts.issue_key,
        hasher=parts.hasher,
        refresh_repeats=Tally(),
        clock=app.utc_now,
    )
    (servicer,) = (each for each in services.values() if isinstance(each, SessionServicer))

    async def guess() -> None:
        await servicer.refresh_session_open(refresh_of(a_guess(), CAFE), Sessions.call())

    with pytest.raises(RefreshTokenInvalid):
        await guess()
    async with locked(shared_service, TOKENS_LOCKED) as connection:
        waiting = asyncio.ensure_future(guess())
        await until_waiting(connection, 1)
        with pytest.raises(TooManyLookups):
            await guess()
        waiting.cancel()
        await asyncio.wait([waiting])

    assert parts.judging.failures.refusals.count == refused_before + 1


async def test_so_many_tokens_are_looked_up_at_once_and_no_more(shared_service: Service) -> None:
    sessions = Sessions(shared_service, max_lookups=2)

    async with locked(shared_service, TOKENS_LOCKED) as connection:
        waiting = [asyncio.ensure_future(sessions.refresh(a_guess())) for _ in range(2)]
        await until_waiting(connection, 2)
        with pytest.raises(TooManyLookups):
            await sessions.refresh(a_guess())
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)

    granted = await sessions.log_in(await a_person(shared_service))
    assert await sessions.refresh(granted.refresh_token)


async def test_a_session_is_refreshed_so_often_a_minute_and_its_repeats_are_free(
    shared_service: Service,
) -> None:
    sessions = Sessions(shared_service, refreshes_per_minute=3)
    person = await a_person(shared_service)
    granted, other = await sessions.log_in(person), await sessions.log_in(person)
    token = granted.refresh_token

    for _ in range(3):
        refreshed = await sessions.refresh(token)
        for _ in range(3):
            assert await sessions.refresh(token) == refreshed
        token = refreshed.refresh_token
    with pytest.raises(CallerRateLimited) as limited:
        await sessions.refresh(token, HOME)

    assert 0 < limited.value.retry_delay.total_seconds() <= WINDOW_SECONDS
    # The token is not used up, and other sessions go on.
    assert await sessions.refresh(other.refresh_token)
    assert await Sessions(shared_service).refresh(token)
