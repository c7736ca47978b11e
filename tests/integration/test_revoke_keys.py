"""RevokeKeys: every live key of an account ends, everywhere, however many there are."""

from __future__ import annotations

import asyncio

import pytest

from authsvc.config import Settings
from authsvc.usecases import revoke_keys as use_case
from orchestrator.auth import (
    AsyncAuthClient,
    CreatedKey,
    Key,
    KeyRevoked,
    KeyState,
    RevocationReason,
    Unauthenticated,
    Unavailable,
)
from orchestrator.auth.v1 import key_revocation_pb2 as revocation_pb
from tests.conftest import Service
from tests.integration.support import (
    WRITERS_LOCKED,
    Stubs,
    bearer,
    fresh_name,
    locked,
    refused,
    until_waiting,
)
from tests.integration.support_audit import events_of
from tests.integration.support_fresh import remembered, served, until_verdict

MANY = 2 * use_case.CHUNK + 10


async def create(client: AsyncAuthClient, service: Service) -> CreatedKey:
    return await client.create_key(fresh_name(), account_id=service.account.account_id)


async def keys_of(client: AsyncAuthClient, service: Service) -> list[Key]:
    account_id = service.account.account_id
    return [key async for key in client.list_keys(account_id=account_id, page_size=1000)]


async def fill(service: Service, count: int) -> None:
    """Put many keys into the account."""
    await service.execute(
        "INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata,"
        " create_time)"
        f" SELECT 'key_' || lpad(i::text, 26, '0'), '{service.account.account_id}', 'bulk ' || i,"
        " sha256(convert_to(i::text, 'UTF8')), '{*}', '', '{}', now()"
        f" FROM generate_series(1, {count}) i"
    )


async def test_every_key_of_the_account_ends_with_reason_and_note(
    service: Service, client: AsyncAuthClient
) -> None:
    created = [await create(client, service) for _ in range(3)]

    revoked = await client.revoke_keys(
        account_id=service.account.account_id,
        reason=RevocationReason.COMPROMISED,
        note="incident 7",
    )

    assert revoked.revoked_count == 3
    keys = await keys_of(client, service)
    assert {key.key_id for key in keys} == {each.key.key_id for each in created}
    for key in keys:
        assert key.state is KeyState.REVOKED
        assert (key.revoke_reason, key.revoke_note) == (RevocationReason.COMPROMISED, "incident 7")
    for each in created:
        verdict = await client.check(each.secret, at_least_revision=revoked.revision)
        assert verdict.denial is not None
        assert verdict.denial.reason == "KEY_REVOKED"


async def test_disabled_expired_and_superseded_keys_end_too(
    service: Service, client: AsyncAuthClient
) -> None:
    disabled, expired, rotated = [await create(client, service) for _ in range(3)]
    await client.update_key(disabled.key.key_id, disabled=True)
    await service.execute(
        "UPDATE authsvc.keys SET expire_time = now() - interval '1 hour'"
        f" WHERE key_id = '{expired.key.key_id}'"
    )
    await client.rotate_key(rotated.key.key_id)

    revoked = await client.revoke_keys(account_id=service.account.account_id)

    assert revoked.revoked_count == 4
    assert {key.state for key in await keys_of(client, service)} == {KeyState.REVOKED}


async def test_what_was_revoked_before_stays_as_it_is(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await create(client, service)
    before = await client.revoke_key(key_id=created.key.key_id, note="first")

    revoked = await client.revoke_keys(account_id=service.account.account_id, note="second")

    assert (revoked.revoked_count, revoked.revision) == (0, 0)
    assert await client.get_key(created.key.key_id) == before.key


async def test_other_accounts_and_excepted_keys_go_on(
    service: Service, client: AsyncAuthClient
) -> None:
    other = await service.create_account()
    others, spared = await service.create_key(account=other), await create(client, service)
    await create(client, service)

    revoked = await client.revoke_keys(
        account_id=service.account.account_id, except_key_ids=[spared.key.key_id]
    )

    assert revoked.revoked_count == 1
    assert await client.check(others, authoritative=True)
    assert await client.check(spared.secret, authoritative=True)


async def test_a_key_of_the_account_ends_all_and_itself(
    service: Service, client: AsyncAuthClient
) -> None:
    own = await create(client, service)
    await create(client, service)

    async with service.client(own.secret.reveal()) as owner:
        revoked = await owner.revoke_keys()
        with pytest.raises(Unauthenticated):
            await owner.revoke_keys()

    assert revoked.revoked_count == 2


async def test_a_key_of_the_account_may_spare_itself(
    service: Service, client: AsyncAuthClient
) -> None:
    own = await create(client, service)
    await create(client, service)

    async with service.client(own.secret.reveal()) as owner:
        revoked = await owner.revoke_keys(except_key_ids=[own.key.key_id])

        assert revoked.revoked_count == 1
        assert (await owner.get_key(own.key.key_id)).state is KeyState.ACTIVE


async def test_the_last_key_of_the_system_account_cannot_end_itself(
    service: Service, client: AsyncAuthClient, stubs: Stubs
) -> None:
    account_id = service.system.account_id
    own = (await client.validate(service.admin_key)).key_id
    assert own is not None
    lost = await service.create_key("authsvc:admin", account=service.system)
    request = revocation_pb.RevokeKeysRequest(account_id=account_id)

    refusal = await refused(stubs.auth.RevokeKeys(request, metadata=bearer(service.admin_key)))

    assert refusal.violated_fields == ["except_key_ids"]
    assert await client.check(lost, authoritative=True)
    revoked = await client.revoke_keys(account_id=account_id, except_key_ids=[own])
    assert revoked.revoked_count == 1
    assert not await client.check(lost, authoritative=True)


async def test_a_slip_in_an_excepted_id_ends_no_key(
    service: Service, client: AsyncAuthClient, stubs: Stubs
) -> None:
    created = await create(client, service)
    others = await create(client, service)
    other = await service.create_account()
    await service.execute(
        f"UPDATE authsvc.keys SET account_id = '{other.account_id}'"
        f" WHERE key_id = '{others.key.key_id}'"
    )
    request = revocation_pb.RevokeKeysRequest(
        account_id=service.account.account_id,
        except_key_ids=[created.key.key_id, others.key.key_id, "key_01h2xcejqtf2nbrexx3vqjhp41"],
    )

    refusal = await refused(stubs.auth.RevokeKeys(request, metadata=bearer(service.admin_key)))

    assert refusal.violated_fields == ["except_key_ids[1]", "except_key_ids[2]"]
    assert await client.check(created.secret, authoritative=True)


async def test_another_server_that_has_the_keys_in_memory_refuses_them(database_url: str) -> None:
    async with served(database_url) as one, served(database_url) as other:
        keys = [await one.new_key() for _ in range(3)]
        for key in keys:
            await remembered(other.client, key.secret, key.revision)

        revoked = await one.client.revoke_keys(account_id=one.service.account.account_id)

        for key in keys:
            verdict = await other.client.check(key.secret, at_least_revision=revoked.revision)
            assert verdict.denial is not None
            await until_verdict(other.client, key.secret, "KEY_REVOKED")


async def test_who_watches_hears_of_each_key(service: Service, client: AsyncAuthClient) -> None:
    created = [await create(client, service) for _ in range(3)]

    async with client.watch(created[-1].revision) as watch:
        await client.revoke_keys(account_id=service.account.account_id)
        heard: set[str] = set()
        async with asyncio.timeout(10):
            while len(heard) < 3:
                event = await anext(watch)
                if isinstance(event, KeyRevoked):
                    heard.add(event.key_id)

    assert heard == {each.key.key_id for each in created}


async def test_very_many_keys_end_in_several_transactions(
    service: Service, client: AsyncAuthClient
) -> None:
    await fill(service, MANY)

    revoked = await client.revoke_keys(account_id=service.account.account_id)

    assert revoked.revoked_count == MANY
    assert {key.state for key in await keys_of(client, service)} == {KeyState.REVOKED}


async def test_a_key_that_is_made_meanwhile_ends_too(
    service: Service, client: AsyncAuthClient
) -> None:
    await create(client, service)
    async with locked(service, WRITERS_LOCKED) as connection:
        making = asyncio.create_task(create(client, service))
        await until_waiting(connection, 1)
        revoking = asyncio.create_task(client.revoke_keys(account_id=service.account.account_id))
        # Behind the maker in the queue for the lock
        await until_waiting(connection, 2)

    made, revoked = await making, await revoking

    assert revoked.revoked_count == 2
    assert (await client.get_key(made.key.key_id)).state is KeyState.REVOKED


async def test_a_key_that_was_ended_meanwhile_makes_no_other(
    service: Service, client: AsyncAuthClient
) -> None:
    account_id, thief = service.account.account_id, await service.create_key()
    async with service.client(thief) as stolen:
        async with locked(service, WRITERS_LOCKED) as connection:
            revoking = asyncio.create_task(client.revoke_keys(account_id=account_id))
            await until_waiting(connection, 1)
            # Let in while its key is good, and behind the revocation in the queue for the lock
            making = asyncio.create_task(stolen.create_key("kept"))
            await until_waiting(connection, 2)
        await revoking
        with pytest.raises(Unauthenticated):
            await making

    assert {key.state for key in await keys_of(client, service)} == {KeyState.REVOKED}


class TestShortOfTime:
    """A server that has half a second for a call."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"database_timeout": 0.5})

    async def test_a_call_without_time_says_that_nothing_is_known_to_be_done(
        self, service: Service, client: AsyncAuthClient
    ) -> None:
        await create(client, service)

        async with locked(service, WRITERS_LOCKED):
            with pytest.raises(Unavailable) as caught:
                await client.revoke_keys(account_id=service.account.account_id)

        assert caught.value.metadata == {}
        assert caught.value.retry_delay is not None

    async def test_repeats_end_all_keys_in_the_end(
        self, service: Service, client: AsyncAuthClient
    ) -> None:
        await fill(service, 10 * use_case.CHUNK)
        account_id, told, calls = service.account.account_id, 0, 0

        async with asyncio.timeout(60):
            while True:
                calls += 1
                try:
                    told += (await client.revoke_keys(account_id=account_id)).revoked_count
                    break
                except Unavailable as error:
                    told += int(error.metadata.get("revoked_count", "0"))

        # A chunk that was done just when time was up is not counted.
        assert told <= 10 * use_case.CHUNK <= told + calls * use_case.CHUNK
        assert {key.state for key in await keys_of(client, service)} == {KeyState.REVOKED}


async def test_every_ended_key_is_in_the_audit_log(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await create(client, service)

    for _ in range(2):
        await client.revoke_keys(account_id=service.account.account_id, note="incident 7")

    [ended, again] = await events_of(service, actions=["RevokeKeys"])
    assert ended.target is not None
    assert ended.target.target_id == created.key.key_id
    assert ended.after is not None
    assert ended.after["revoke_note"] == "incident 7"
    assert again.target is not None
    assert again.target.target_id == service.account.account_id
    assert (again.before, again.after, again.outcome) == (None, None, "OK")
