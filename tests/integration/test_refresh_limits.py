"""Limits on refreshes: of guesses from one address, of look-ups under way, and of one session."""

from __future__ import annotations

import asyncio
import secrets

import grpc
import pytest

from authsvc.domain.errors import CallerRateLimited, TooManyLookups
from authsvc.usecases.failure_limit import WINDOW_SECONDS
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, locked, refused, until_waiting
from tests.integration.support_sessions import CAFE, HOME, Sessions, a_person, refresh_of

TOKENS_LOCKED = "LOCK TABLE authsvc.refresh_tokens IN ACCESS EXCLUSIVE MODE"


def a_guess() -> str:
    return f"orchrt_{secrets.token_hex(32)}"


async def test_who_guesses_too_often_is_told_to_wait_before_anything_is_read(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    back_end = bearer(shared_service.admin_key)
    limit = shared_service.parts.settings.failures_per_minute
    for _ in range(limit):
        shared_service.parts.judging.failures.count(CAFE)

    async with locked(shared_service, TOKENS_LOCKED):
        refusal = await refused(
            shared_stubs.sessions.RefreshSession(
                refresh_of(a_guess(), CAFE), metadata=back_end, timeout=5
            )
        )

    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "RATE_LIMITED",
    )
    assert refusal.retry_delay is not None
    assert 0 < refusal.retry_delay.total_seconds() <= WINDOW_SECONDS


async def test_an_unknown_token_counts_as_a_guess(
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
    assert failures.wait_for("203.0.113.5") is not None


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
