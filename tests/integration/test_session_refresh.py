"""Refresh tokens over time: lost answers, two windows, thieves. On a real database, at any hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from authsvc import app
from authsvc.composition.signing import encryption_keys
from authsvc.domain.audit import AuditFilter
from authsvc.domain.errors import RefreshTokenReused, SessionEnded
from authsvc.domain.refresh_tokens import RefreshToken
from authsvc.postgres import session_housekeeping
from authsvc.postgres.database import Connection
from authsvc.postgres.session_housekeeping import PostgresSessionHousekeeping
from authsvc.rpc.audit_denied import denied_record
from authsvc.tokens.pair_sealing import TokenPairSealer
from orchestrator.auth.v1 import session_management_pb2 as pb
from tests.conftest import ORIGIN, Service
from tests.integration.support import connected, url_of
from tests.integration.support_sessions import Sessions, a_person

GRANTED, REUSED, ENDED = "granted", "REUSED", "ENDED"


@dataclass(frozen=True)
class Step:
    """Who presents which token, how much later, and what comes of it."""

    who: str
    token: str
    """`N`: the Nth token of the session, counted from 0."""
    outcome: str
    """The name of the token that is granted, or why none is."""
    later: float = 0.0


SCENARIOS = {
    "one browser, all is well": [
        Step("owner", "0", "1", 600),
        Step("owner", "1", "2", 600),
        Step("owner", "2", "3", 600),
    ],
    "the answer is lost, and asked for again": [
        Step("owner", "0", "1", 600),
        Step("owner", "0", "1", 5),
        Step("owner", "1", "2", 600),
    ],
    "two windows refresh at once": [
        Step("first window", "0", "1", 600),
        Step("second window", "0", "1", 9.9),
        Step("first window", "1", "2", 600),
        Step("second window", "1", "2", 1),
    ],
    "a thief is first, the owner follows": [
        Step("thief", "0", "1", 600),
        Step("owner", "0", REUSED, 300),
        Step("thief", "1", ENDED, 1),
    ],
    "the owner is first, a thief follows": [
        Step("owner", "0", "1", 600),
        Step("thief", "0", REUSED, 10),
        Step("owner", "1", ENDED, 600),
    ],
    "a thief has an old token": [
        Step("owner", "0", "1", 600),
        Step("owner", "1", "2", 600),
        Step("thief", "0", REUSED, 1),
        Step("owner", "2", ENDED, 600),
    ],
    "a repeat within the window, whose answer has been used": [
        Step("owner", "0", "1", 600),
        Step("owner", "1", "2", 1),
        Step("thief", "0", REUSED, 1),
        Step("owner", "2", ENDED, 1),
    ],
    "who asks again after the end learns of the end": [
        Step("owner", "0", "1", 600),
        Step("thief", "0", REUSED, 60),
        Step("thief", "0", ENDED, 1),
        Step("thief", "1", ENDED, 1),
    ],
}


async def play(sessions: Sessions, first: str, steps: Sequence[Step]) -> None:
    tokens = [first]
    for step in steps:
        sessions.clock.move(seconds=step.later)
        try:
            granted = await sessions.refresh(tokens[int(step.token)])
        except RefreshTokenReused:
            assert step.outcome == REUSED, step
        except SessionEnded:
            assert step.outcome == ENDED, step
        else:
            if granted.refresh_token not in tokens:
                tokens.append(granted.refresh_token)
            assert str(tokens.index(granted.refresh_token)) == step.outcome, step


@pytest.mark.parametrize("steps", SCENARIOS.values(), ids=SCENARIOS)
async def test_who_gets_what(shared_service: Service, steps: list[Step]) -> None:
    sessions = Sessions(shared_service)
    person = await a_person(shared_service)
    granted = await sessions.log_in(person)
    other = await sessions.log_in(person)

    await play(sessions, granted.refresh_token, steps)

    # Another session of the same person goes on, whatever became of this one.
    await sessions.refresh(other.refresh_token)
    reused = [step for step in steps if step.outcome == REUSED]
    assert await ends_in_audit_log(shared_service, granted) == ["REFRESH_TOKEN_REUSED"] * len(
        reused
    )


async def ends_in_audit_log(
    service: Service, granted: pb.CreateSessionResponse
) -> list[str | None]:
    wanted = AuditFilter(target_id=granted.session.session_id)
    events = await service.parts.audit_log.list_events(
        wanted, after=None, limit=100, deadline=app.time_limit()
    )
    return [event.after["end_reason"] for event in events if event.before and event.after]


def test_a_reuse_is_refused_in_the_audit_log_under_the_name_of_the_session() -> None:
    error = RefreshTokenReused("sess_1", "acct_1")
    request = pb.RefreshSessionRequest(refresh_token="orchrt_" + "0" * 64)

    record = denied_record(error, request, None, ORIGIN)

    assert record is not None
    assert record.target is not None
    assert (record.target.kind, record.target.target_id) == ("SESSION", "sess_1")
    assert (record.account_id, record.outcome) == ("acct_1", "ERROR_REASON_REFRESH_TOKEN_REUSED")


async def test_a_session_that_is_not_refreshed_ends(shared_service: Service) -> None:
    sessions = Sessions(shared_service)
    granted = await sessions.log_in(await a_person(shared_service))

    sessions.clock.move(days=6)
    granted_again = await sessions.refresh(granted.refresh_token)
    sessions.clock.move(days=7)

    with pytest.raises(SessionEnded):
        await sessions.refresh(granted_again.refresh_token)


async def test_a_session_ends_however_often_it_is_refreshed(shared_service: Service) -> None:
    sessions = Sessions(shared_service)
    granted = await sessions.log_in(await a_person(shared_service))
    token, end = granted.refresh_token, granted.session.expire_time
    for _ in range(4):
        sessions.clock.move(days=6.5)
        refreshed = await sessions.refresh(token)
        token = refreshed.refresh_token
    assert refreshed.session.idle_expire_time == end

    sessions.clock.move(days=4)

    with pytest.raises(SessionEnded):
        await sessions.refresh(token)


async def test_no_access_token_outlives_its_session(shared_service: Service) -> None:
    sessions = Sessions(shared_service, session_lifetime=1000, session_idle_lifetime=2000)
    granted = await sessions.log_in(await a_person(shared_service))
    assert granted.session.idle_expire_time == granted.session.expire_time

    sessions.clock.move(seconds=700)
    refreshed = await sessions.refresh(granted.refresh_token)

    left = granted.session.expire_time.ToDatetime() - (
        refreshed.access_token_expire_time.ToDatetime()
    )
    assert 0 <= left.total_seconds() < 2


async def test_without_a_window_every_repeat_is_a_reuse(shared_service: Service) -> None:
    sessions = Sessions(shared_service, refresh_reuse_window=0)
    granted = await sessions.log_in(await a_person(shared_service))
    await sessions.refresh(granted.refresh_token)

    with pytest.raises(RefreshTokenReused):
        await sessions.refresh(granted.refresh_token)


async def answers_of(service: Service, session_id: str) -> list[bytes]:
    async def fetch(connection: Connection) -> list[bytes]:
        rows = await connection.fetch(
            "SELECT sealed_answer FROM authsvc.refresh_tokens "
            "WHERE session_id = $1 AND sealed_answer IS NOT NULL",
            session_id,
        )
        return [row["sealed_answer"] for row in rows]

    return await service.parts.database.run(fetch, app.time_limit())


async def test_answers_are_deleted_when_their_window_is_over(shared_service: Service) -> None:
    sessions = Sessions(shared_service)
    granted = await sessions.log_in(await a_person(shared_service))
    await sessions.refresh(granted.refresh_token)
    session_id = granted.session.session_id
    housekeeping = PostgresSessionHousekeeping(shared_service.parts.database)
    await housekeeping.drop_answers(sessions.clock(), app.time_limit())
    assert len(await answers_of(shared_service, session_id)) == 1

    sessions.clock.move(seconds=10)
    await housekeeping.drop_answers(sessions.clock(), app.time_limit())

    assert await answers_of(shared_service, session_id) == []


async def test_one_answer_is_kept_at_most(shared_service: Service) -> None:
    sessions = Sessions(shared_service)
    granted = await sessions.log_in(await a_person(shared_service))
    second = await sessions.refresh(granted.refresh_token)

    third = await sessions.refresh(second.refresh_token)

    (answer,) = await answers_of(shared_service, granted.session.session_id)
    sealer = TokenPairSealer(*encryption_keys(shared_service.parts.settings), bytes)
    token = RefreshToken.parse(second.refresh_token)
    assert token is not None
    opened = sealer.open(token, answer, granted.session.session_id)
    assert opened.refresh_token.reveal() == third.refresh_token


async def test_a_session_is_deleted_thirty_days_after_its_end(shared_service: Service) -> None:
    sessions = Sessions(shared_service)
    person = await a_person(shared_service)
    over, live = await sessions.log_in(person), await sessions.log_in(person)
    await shared_service.execute(
        "UPDATE authsvc.sessions SET end_time = create_time, end_reason = 'REVOKED' "
        f"WHERE session_id = '{over.session.session_id}'"
    )
    housekeeping = PostgresSessionHousekeeping(shared_service.parts.database)

    async def remaining() -> set[str]:
        found = await shared_service.parts.database.run(
            lambda connection: connection.fetch(
                "SELECT DISTINCT session_id FROM authsvc.sessions JOIN authsvc.refresh_tokens "
                "USING (session_id) WHERE user_id = $1",
                person.user_id,
            ),
            app.time_limit(),
        )
        return {row["session_id"] for row in found}

    sessions.clock.move(days=29)
    await housekeeping.delete_past(sessions.clock(), app.time_limit())
    assert await remaining() == {over.session.session_id, live.session.session_id}
    sessions.clock.move(days=2)
    await housekeeping.delete_past(sessions.clock(), app.time_limit())
    assert await remaining() == {live.session.session_id}


async def test_a_session_with_very_many_tokens_is_deleted_in_steps(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Sessions(service)
    person = await a_person(service)
    granted = await sessions.log_in(person)
    await sessions.refresh(granted.refresh_token)
    housekeeping = PostgresSessionHousekeeping(service.parts.database)
    monkeypatch.setattr(session_housekeeping, "_TOKENS_LIMIT", 1)
    sessions.clock.move(days=100)
    left = []
    for _ in range(2):
        await housekeeping.delete_past(sessions.clock(), app.time_limit())
        async with connected(url_of(service)) as connection:
            left.append(await connection.fetchval("SELECT count(*) FROM authsvc.sessions"))

    assert left == [1, 0]
