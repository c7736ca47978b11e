"""ReportLeakedKey: a secret in the open ends its key, whoever tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import pytest_asyncio

from authsvc.config import Settings
from orchestrator.auth import (
    ANONYMOUS,
    ActorKind,
    AsyncAuthClient,
    AuditActor,
    CreatedKey,
    ErrorReason,
    KeyState,
    LeakReportOutcome,
    NotFound,
    OutcomeClass,
    ResourceExhausted,
    RevocationReason,
)
from orchestrator.auth.v1 import key_revocation_pb2 as revocation_pb
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, connected, fresh_name, refused, url_of
from tests.integration.support_audit import events_of, rows_of
from tests.integration.support_fresh import remembered, served

UNKNOWN = "orch_" + "0" * 40
PLACE = "https://example.com/paste/1"


@pytest_asyncio.fixture(loop_scope="session")
async def anybody(service: Service) -> AsyncIterator[AsyncAuthClient]:
    """A client of nobody in particular."""
    async with AsyncAuthClient(
        service.address, api_key=ANONYMOUS, plaintext=True, timeout=10.0
    ) as client:
        yield client


async def create(client: AsyncAuthClient, service: Service) -> CreatedKey:
    return await client.create_key(fresh_name(), account_id=service.account.account_id)


async def test_a_reported_key_has_ended_and_tells_its_owner_where_it_was(
    service: Service, client: AsyncAuthClient, anybody: AsyncAuthClient
) -> None:
    created, begun = await create(client, service), datetime.now(UTC)

    reported = await anybody.report_leaked_key(created.secret, found_at=PLACE)

    assert (reported.key_id, reported.outcome) == (created.key.key_id, LeakReportOutcome.REVOKED)
    assert begun <= reported.revoke_time <= datetime.now(UTC)
    key = await client.get_key(created.key.key_id)
    assert (key.state, key.revoke_time) == (KeyState.REVOKED, reported.revoke_time)
    assert (key.revoke_reason, key.revoke_note) == (RevocationReason.COMPROMISED, PLACE)
    verdict = await client.check(created.secret, at_least_revision=reported.revision)
    assert verdict.denial is not None
    assert verdict.denial.reason == "KEY_REVOKED"


async def test_another_server_that_has_the_key_in_memory_refuses_it(database_url: str) -> None:
    async with served(database_url) as one, served(database_url) as other:
        key = await one.new_key()
        await remembered(other.client, key.secret, key.revision)

        reported = await one.client.report_leaked_key(key.secret, found_at=PLACE)

        assert not await other.client.check(key.secret, at_least_revision=reported.revision)


async def test_a_second_report_changes_nothing_and_is_told(
    service: Service, client: AsyncAuthClient, anybody: AsyncAuthClient
) -> None:
    created = await create(client, service)
    first = await anybody.report_leaked_key(created.secret, found_at=PLACE)

    second = await anybody.report_leaked_key(created.secret, found_at="elsewhere")

    assert second.outcome is LeakReportOutcome.ALREADY_ENDED
    assert (second.key_id, second.revoke_time) == (first.key_id, first.revoke_time)
    assert second.revision == first.revision
    assert (await client.get_key(created.key.key_id)).revoke_note == PLACE


async def test_a_key_that_was_revoked_for_another_reason_keeps_it(
    service: Service, client: AsyncAuthClient, anybody: AsyncAuthClient
) -> None:
    created = await create(client, service)
    before = await client.revoke_key(
        key_id=created.key.key_id, reason=RevocationReason.NO_LONGER_USED
    )

    reported = await anybody.report_leaked_key(created.secret, found_at=PLACE)

    assert reported.outcome is LeakReportOutcome.ALREADY_ENDED
    assert await client.get_key(created.key.key_id) == before.key


@pytest.mark.parametrize("change", ["disabled = true", "expire_time = now() - interval '1 hour'"])
async def test_disabled_and_expired_keys_end_too(
    service: Service, client: AsyncAuthClient, anybody: AsyncAuthClient, change: str
) -> None:
    created = await create(client, service)
    await service.execute(f"UPDATE authsvc.keys SET {change} WHERE key_id = '{created.key.key_id}'")

    reported = await anybody.report_leaked_key(created.secret, found_at=PLACE)

    assert reported.outcome is LeakReportOutcome.REVOKED
    assert (await client.get_key(created.key.key_id)).state is KeyState.REVOKED


async def test_of_reports_at_the_same_time_one_ends_the_key(
    service: Service, client: AsyncAuthClient, anybody: AsyncAuthClient
) -> None:
    created = await create(client, service)

    reports = await asyncio.gather(
        *(anybody.report_leaked_key(created.secret, found_at=f"place {n}") for n in range(8))
    )

    outcomes = [report.outcome for report in reports]
    assert sorted(outcomes) == [*[LeakReportOutcome.ALREADY_ENDED] * 7, LeakReportOutcome.REVOKED]
    first = outcomes.index(LeakReportOutcome.REVOKED)
    assert (await client.get_key(created.key.key_id)).revoke_note == f"place {first}"
    assert len({report.revision for report in reports}) == 1


async def test_a_caller_that_is_no_good_reports_all_the_same(
    service: Service, stubs: Stubs
) -> None:
    request = revocation_pb.ReportLeakedKeyRequest(
        secret=await service.create_key(), found_at=PLACE
    )

    response = await stubs.auth.ReportLeakedKey(request, metadata=bearer(UNKNOWN))

    assert response.outcome == revocation_pb.LEAK_REPORT_OUTCOME_REVOKED


async def test_a_report_is_bound_by_its_fields_and_repeats_none(
    service: Service, stubs: Stubs
) -> None:
    secret = await service.create_key()
    request = revocation_pb.ReportLeakedKeyRequest(
        secret=f"{secret}x", found_at=f"https://example.com/?key={secret}\n"
    )

    refusal = await refused(stubs.auth.ReportLeakedKey(request))

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert set(refusal.violated_fields) == {"secret", "found_at"}
    assert secret[5:] not in refusal.everything


async def test_reports_are_in_the_audit_log_as_nobodys(
    service: Service, client: AsyncAuthClient, anybody: AsyncAuthClient
) -> None:
    created = await create(client, service)

    for place in (PLACE, "elsewhere"):
        await anybody.report_leaked_key(created.secret, found_at=place)
    with pytest.raises(NotFound):
        await anybody.report_leaked_key(UNKNOWN, found_at=PLACE)

    [ended, again, unknown] = await events_of(service, actions=["ReportLeakedKey"])
    assert {event.actor for event in (ended, again, unknown)} == {
        AuditActor(ActorKind.ANONYMOUS, "", "")
    }
    assert {event.address for event in (ended, again, unknown)} == {"127.0.0.1"}
    for event in (ended, again):
        assert event.target is not None
        assert event.target.target_id == created.key.key_id
        assert event.account_id == service.account.account_id
        assert event.succeeded
    assert ended.after is not None
    assert ended.after["revoke_note"] == PLACE
    assert (again.before, again.after) == (None, None)
    assert (unknown.target, unknown.outcome) == (None, ErrorReason.KEY_NOT_FOUND)
    log = repr([dict(row) for row in await rows_of(service)])
    assert created.secret.reveal()[5:] not in log
    assert UNKNOWN[5:] not in log


class TestLimits:
    """A server that hears five reports, and two unknown secrets, of an address in a minute."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"leak_reports_per_minute": 5, "failures_per_minute": 2})

    async def test_who_guesses_has_to_wait(
        self, service: Service, client: AsyncAuthClient, anybody: AsyncAuthClient
    ) -> None:
        created = await create(client, service)
        for _ in range(2):
            with pytest.raises(NotFound):
                await anybody.report_leaked_key(UNKNOWN, found_at=PLACE)

        with pytest.raises(ResourceExhausted) as caught:
            await anybody.report_leaked_key(created.secret, found_at=PLACE)

        assert caught.value.reason is ErrorReason.TOO_MANY_REPORTS
        assert caught.value.retry_delay is not None
        assert timedelta(0) < caught.value.retry_delay <= timedelta(minutes=1)
        # This address is that of the client, too, so the database must say.
        async with connected(url_of(service)) as connection:
            ended = await connection.fetchval(
                "SELECT revoke_time FROM authsvc.keys WHERE key_id = $1", created.key.key_id
            )
        assert ended is None

    async def test_who_reports_too_much_has_to_wait(
        self, service: Service, client: AsyncAuthClient, anybody: AsyncAuthClient
    ) -> None:
        created = [await create(client, service) for _ in range(6)]
        for each in created[:5]:
            await anybody.report_leaked_key(each.secret, found_at=PLACE)

        with pytest.raises(ResourceExhausted):
            await anybody.report_leaked_key(created[5].secret, found_at=PLACE)

        # By its id, its owner can still end it.
        await client.revoke_key(key_id=created[5].key.key_id)
        denied = await events_of(service, outcome=OutcomeClass.DENIED)
        assert denied == []
