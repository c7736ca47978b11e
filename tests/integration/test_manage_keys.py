"""GetKey, ListKeys and UpdateKey: what they show and change, and what they refuse."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from authsvc.postgres.managed_keys import LIST_KEYS
from orchestrator.auth import (
    Aborted,
    AlreadyExists,
    AsyncAuthClient,
    CreatedKey,
    FailedPrecondition,
    InvalidArgument,
    KeyChanged,
    KeyState,
    NotFound,
    PermissionDenied,
)
from orchestrator.auth.v1 import key_management_pb2 as pb
from orchestrator.auth.v1.key_pb2 import KEY_STATE_ACTIVE, KEY_STATE_EXPIRED, Key
from orchestrator.auth.v1.key_pb2 import KeyState as WireState
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, connected, fresh_name, refused, url_of
from tests.integration.support_fresh import served


async def create(client: AsyncAuthClient, service: Service, *scopes: str) -> CreatedKey:
    return await client.create_key(
        fresh_name(), account_id=service.account.account_id, scopes=scopes
    )


async def test_a_key_is_shown_as_it_was_created(service: Service, client: AsyncAuthClient) -> None:
    created = await create(client, service)

    assert await client.get_key(created.key.key_id) == created.key


async def test_keys_of_others_read_as_not_found(service: Service, client: AsyncAuthClient) -> None:
    other = await service.create_account()
    theirs = await client.create_key("theirs", account_id=other.account_id)
    admins = [key async for key in client.list_keys(account_id=service.system.account_id)]
    keys_key = await service.create_key("authsvc:keys", account=service.system)

    async with service.client(await service.create_key()) as own:
        with pytest.raises(NotFound):
            await own.get_key(theirs.key.key_id)
        with pytest.raises(NotFound):
            await own.update_key(theirs.key.key_id, disabled=True)
        with pytest.raises(NotFound):
            _ = [key async for key in own.list_keys(account_id=other.account_id)]
    async with service.client(keys_key) as manager:
        with pytest.raises(NotFound):
            await manager.update_key(admins[0].key_id, disabled=True)
        with pytest.raises(NotFound):
            _ = [key async for key in manager.list_keys(account_id=service.system.account_id)]


async def test_pages_have_every_key_once_while_others_come_and_go(
    service: Service, client: AsyncAuthClient
) -> None:
    created = [(await create(client, service)).key.key_id for _ in range(12)]
    account_id = service.account.account_id

    seen: list[str] = []
    async for key in client.list_keys(account_id=account_id, page_size=3):
        seen.append(key.key_id)
        if len(seen) % 3 == 0 and len(seen) <= len(created):
            await client.revoke_key(key_id=created[len(seen) - 1])
            await create(client, service)

    assert [key_id for key_id in seen if key_id in created] == created
    assert len(seen) == len(set(seen))


async def test_filters_choose(service: Service, client: AsyncAuthClient) -> None:
    account_id = service.account.account_id
    now = datetime.now(UTC)
    plain = await client.create_key("a plain", account_id=account_id)
    ending = await client.create_key("b ending", account_id=account_id, ttl=timedelta(days=1))
    off = await client.create_key("b off", account_id=account_id)
    await client.update_key(off.key.key_id, disabled=True)
    ended = await client.create_key("c ended", account_id=account_id)
    await client.revoke_key(key_id=ended.key.key_id)

    async def names(**filters: object) -> list[str]:
        found = client.list_keys(account_id=account_id, **filters)  # type: ignore[arg-type]
        return [key.name async for key in found if key.key_id >= plain.key.key_id]

    assert await names(states=[KeyState.DISABLED, KeyState.REVOKED]) == ["b off", "c ended"]
    assert await names(states=[KeyState.ACTIVE]) == ["a plain", "b ending"]
    assert await names(states=[KeyState.ACTIVE], name_prefix="b") == ["b ending"]
    assert await names(name_prefix="%") == []
    assert await names(name_prefix="b ") == ["b ending", "b off"]
    assert await names(expiring_before=now + timedelta(days=2)) == [ending.key.name]
    assert await names(last_used_before=now - timedelta(hours=1)) == []
    assert len(await names(last_used_before=now + timedelta(hours=1))) == 4


async def test_a_token_of_another_listing_or_altered_is_refused(
    service: Service, client: AsyncAuthClient, stubs: Stubs
) -> None:
    for _ in range(3):
        await create(client, service)
    other = await service.create_account()
    admin = bearer(service.admin_key)
    account_id = service.account.account_id
    moment = Timestamp(seconds=4_000_000_000)
    first = pb.ListKeysRequest(account_id=account_id, page_size=1)
    token = (await stubs.auth.ListKeys(first, metadata=admin)).next_page_token
    altered = [
        token[:index] + ("B" if token[index] == "A" else "A") + token[index + 1 :]
        for index in (0, len(token) // 2, len(token) - 1)
    ]

    for request in (
        pb.ListKeysRequest(account_id=other.account_id, page_token=token),
        pb.ListKeysRequest(account_id=account_id, page_token=token, name_prefix="k"),
        pb.ListKeysRequest(account_id=account_id, page_token=token, states=[KEY_STATE_ACTIVE]),
        pb.ListKeysRequest(account_id=account_id, page_token=token, last_used_before=moment),
        pb.ListKeysRequest(account_id=account_id, page_token=token, expiring_before=moment),
        *(pb.ListKeysRequest(account_id=account_id, page_token=each) for each in altered),
    ):
        refusal = await refused(stubs.auth.ListKeys(request, metadata=admin))
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refusal.violated_fields == ["page_token"]


async def test_the_time_of_the_first_page_decides_on_states(
    service: Service, client: AsyncAuthClient, stubs: Stubs
) -> None:
    account_id = (await service.create_account()).account_id
    ends = datetime.now(UTC) + timedelta(seconds=1.5)
    for name in ("a", "b", "c"):
        await client.create_key(name, account_id=account_id, expire_time=ends)
    admin = bearer(service.admin_key)

    async def page(state: WireState.ValueType, token: str = "") -> pb.ListKeysResponse:
        request = pb.ListKeysRequest(
            account_id=account_id, page_size=2, page_token=token, states=[state]
        )
        return await stubs.auth.ListKeys(request, metadata=admin)

    first = await page(KEY_STATE_ACTIVE)
    assert not (await page(KEY_STATE_EXPIRED)).keys
    await asyncio.sleep((ends - datetime.now(UTC)).total_seconds() + 0.05)
    second = await page(KEY_STATE_ACTIVE, first.next_page_token)
    expired = await page(KEY_STATE_EXPIRED)

    seen = [(key.name, key.state) for key in (*first.keys, *second.keys)]
    assert seen == [(name, KEY_STATE_ACTIVE) for name in ("a", "b", "c")]
    assert [(key.name, key.state) for key in expired.keys] == [
        (name, KEY_STATE_EXPIRED) for name in ("a", "b")
    ]
    assert not (await page(KEY_STATE_ACTIVE)).keys


async def test_a_deep_page_is_read_from_the_index(service: Service) -> None:
    others = [(await service.create_account()).account_id for _ in range(9)]
    accounts = [service.account.account_id, *others]
    await service.execute(
        f"""
        INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata,
                                  create_time)
        SELECT 'key_' || lpad(n::text, 26, '0'), (ARRAY{accounts})[1 + n % 10], 'n' || n,
               sha256(n::text::bytea), '{{*}}', 'orch_', '{{}}', now()
          FROM generate_series(1, 20000) n
        """,
        "ANALYZE authsvc.keys",
    )
    async with connected(url_of(service)) as connection:
        after = "key_" + "18000".rjust(26, "0")
        values: tuple[object, ...] = (
            service.account.account_id,
            after,
            [],
            datetime.now(UTC),
            "",
            None,
            None,
            51,
        )
        plan = await connection.fetch(f"EXPLAIN {LIST_KEYS}", *values)

    text = "\n".join(row[0] for row in plan)
    assert "keys_of_account" in text, text
    assert "Sort" not in text
    assert "Seq Scan" not in text, text


async def test_an_update_changes_what_is_named_and_nothing_else(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await create(client, service)

    updated = await client.update_key(
        created.key.key_id, name="New", scopes=["b", "a"], metadata={"x": "y"}
    )

    assert updated.revision > created.revision
    assert (updated.key.name, updated.key.scopes) == ("New", ("a", "b"))
    assert updated.key.metadata == {"x": "y"}
    assert updated.key.etag != created.key.etag
    assert updated.key == await client.get_key(created.key.key_id)


async def test_an_old_etag_a_revoked_key_and_a_taken_name_are_refused(
    service: Service, client: AsyncAuthClient
) -> None:
    created, other = await create(client, service), await create(client, service)
    key_id, etag = created.key.key_id, created.key.etag
    await client.update_key(key_id, disabled=True, etag=etag)

    with pytest.raises(Aborted) as aborted:
        await client.update_key(key_id, disabled=False, etag=etag)
    with pytest.raises(AlreadyExists):
        await client.update_key(key_id, name=other.key.name)
    await client.revoke_key(key_id=key_id)
    with pytest.raises(FailedPrecondition) as failed:
        await client.update_key(key_id, disabled=False)

    assert aborted.value.reason == "ETAG_MISMATCH"
    assert failed.value.reason == "KEY_REVOKED"


async def test_of_many_updates_with_one_etag_one_is_made(
    service: Service, client: AsyncAuthClient
) -> None:
    created = (await create(client, service)).key

    results = await asyncio.gather(
        *(
            client.update_key(created.key_id, metadata={"by": str(n)}, etag=created.etag)
            for n in range(20)
        ),
        return_exceptions=True,
    )

    (made,) = [result for result in results if not isinstance(result, BaseException)]
    assert sum(isinstance(result, Aborted) for result in results) == 19
    assert await client.get_key(created.key_id) == made.key


async def test_updates_of_different_fields_do_not_undo_each_other(
    service: Service, client: AsyncAuthClient
) -> None:
    key_id = (await create(client, service)).key.key_id

    await asyncio.gather(
        client.update_key(key_id, name="Together"),
        client.update_key(key_id, metadata={"a": "b"}),
        client.update_key(key_id, disabled=True),
    )

    key = await client.get_key(key_id)
    assert (key.name, key.metadata, key.disabled) == ("Together", {"a": "b"}, True)


@pytest.mark.parametrize(
    ("key", "paths", "field"),
    [
        (Key(), [], "update_mask"),
        (Key(), ["*"], "update_mask.paths[0]"),
        (Key(), ["state"], "update_mask.paths[0]"),
        (Key(), ["key_id"], "update_mask.paths[0]"),
        (Key(), ["name"], "key.name"),
        (Key(), ["scopes"], "key.scopes"),
        (Key(scopes=["BAD"]), ["scopes"], "key.scopes[0]"),
    ],
)
async def test_a_bad_mask_or_value_is_refused(  # noqa: PLR0917 - fixtures and parameters
    shared_service: Service,
    shared_client: AsyncAuthClient,
    shared_stubs: Stubs,
    key: Key,
    paths: list[str],
    field: str,
) -> None:
    request = pb.UpdateKeyRequest(key=key)
    request.key.key_id = (await create(shared_client, shared_service)).key.key_id
    request.update_mask.paths.extend(paths)

    refusal = await refused(
        shared_stubs.auth.UpdateKey(request, metadata=bearer(shared_service.admin_key))
    )

    assert refusal.violated_fields == [field]


async def test_an_expiry_in_the_past_is_refused_and_none_removes_it(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await create(client, service)
    with pytest.raises(InvalidArgument):
        await client.update_key(created.key.key_id, expire_time=datetime.now(UTC))
    ahead = datetime.now(UTC) + timedelta(days=1)

    assert (await client.update_key(created.key.key_id, expire_time=ahead)).key.expire_time == ahead
    assert (await client.update_key(created.key.key_id, expire_time=None)).key.expire_time is None


async def test_a_narrow_credential_cannot_widen_or_wake_a_key(
    service: Service, client: AsyncAuthClient
) -> None:
    wide = await create(client, service, "*")
    async with service.client(await service.create_key("keys:*")) as narrow:
        with pytest.raises(PermissionDenied):
            await narrow.update_key(wide.key.key_id, scopes=["sessions:read"])
        await narrow.update_key(wide.key.key_id, disabled=True)
        with pytest.raises(PermissionDenied):
            await narrow.update_key(wide.key.key_id, disabled=False)
    async with service.client(await service.create_key("*")) as own:
        with pytest.raises(PermissionDenied):
            await own.update_key(wide.key.key_id, scopes=["authsvc:keys"])


async def test_a_narrowed_key_is_judged_anew_by_another_server(database_url: str) -> None:
    async with served(database_url) as one, served(database_url) as two:
        key = await one.new_key("sessions:*")
        await two.remember(key)
        async with two.client.watch(key.revision) as events:
            narrowed = await one.client.update_key(key.key_id, scopes=["other"])
            async for event in events:
                if isinstance(event, KeyChanged):
                    assert event.key_id == key.key_id
                    break

        denied = await two.client.check(
            key.secret,
            required_scopes=["sessions:read"],
            at_least_revision=narrowed.revision,
        )
        off = await one.client.update_key(key.key_id, disabled=True)
        disabled = await two.client.check(key.secret, at_least_revision=off.revision)

    assert denied.denial is not None
    assert denied.denial.reason == "INSUFFICIENT_SCOPE"
    assert disabled.denial is not None
    assert disabled.denial.reason == "KEY_DISABLED"
