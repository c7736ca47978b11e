"""ImportKeys: keys of another system go on working, and each is told what became of it."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from authsvc.domain.key_secrets import digest_of
from orchestrator.auth import (
    AlreadyThere,
    AsyncAuthClient,
    ErrorReason,
    Imported,
    ImportedKeys,
    ImportFailed,
    ImportMode,
    Key,
    KeyState,
    KeyToImport,
    RateLimit,
    RequestContext,
    RevocationReason,
    Withheld,
)
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import key_import_pb2 as import_pb
from tests.conftest import Service
from tests.integration.support import (
    WRITERS_LOCKED,
    Stubs,
    bearer,
    fresh_name,
    locked,
    refusal_of,
    refused,
    until_waiting,
)
from tests.integration.support_audit import events_of, rows_of

ALL_OR_NOTHING = ImportMode.ALL_OR_NOTHING
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


def a_secret() -> str:
    return f"orch_{secrets.token_hex(20)}"


def a_key(secret: str | None = None, name: str | None = None) -> KeyToImport:
    return KeyToImport.from_secret(secret or a_secret(), name or fresh_name())


def key_of(imported: ImportedKeys, index: int = 0) -> Key:
    """Return the key that was imported, or was there."""
    result = imported.results[index]
    assert isinstance(result, Imported | AlreadyThere)
    return result.key


def failures(imported: ImportedKeys) -> list[tuple[ErrorReason, list[str]]]:
    return [
        (result.reason, [field for field, _ in result.field_violations])
        for result in imported.results
        if isinstance(result, ImportFailed)
    ]


async def import_(
    client: AsyncAuthClient,
    service: Service,
    *keys: KeyToImport,
    mode: ImportMode = ImportMode.EACH_BY_ITSELF,
) -> ImportedKeys:
    return await client.import_keys(keys, account_id=service.account.account_id, mode=mode)


async def names_of(client: AsyncAuthClient, service: Service) -> set[str]:
    account_id = service.account.account_id
    return {key.name async for key in client.list_keys(account_id=account_id)}


async def test_an_imported_key_validates_as_any_other(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    secret, name = a_secret(), fresh_name()
    key = KeyToImport(
        digest_of(secret), name, scopes=["sessions:read", "a:b"], metadata={"team": "core"}
    )
    # Known to be unknown, in memory
    assert (await shared_client.check(secret)).denial is not None

    imported = await import_(shared_client, shared_service, key)

    principal = await shared_client.validate(secret, at_least_revision=imported.revision)
    assert principal.account_id == shared_service.account.account_id
    assert (principal.key_id, principal.key_name) == (key_of(imported).key_id, name)
    assert set(principal.scopes) == {"sessions:read", "a:b"}
    assert principal.metadata == {"team": "core"}


async def test_a_key_keeps_what_the_other_system_knew_of_it(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    secret = a_secret()
    key = KeyToImport.from_secret(
        secret,
        fresh_name(),
        scopes=["b:c", "a:b", "a:b"],
        create_time=NOW - 3 * HOUR,
        expire_time=NOW + HOUR,
        last_use_time=NOW - HOUR,
        metadata={"team": "core"},
        disabled=True,
        allowed_addresses=["::ffff:192.0.2.0/120", "::1"],
        rate_limit=RateLimit(5, HOUR),
    )

    imported = await import_(shared_client, shared_service, key)

    found = await shared_client.get_key(key_of(imported).key_id)
    assert found == key_of(imported)
    assert (found.create_time, found.expire_time) == (NOW - 3 * HOUR, NOW + HOUR)
    assert found.last_use_time == NOW - HOUR
    assert (found.name, found.scopes) == (key.name, ("a:b", "b:c"))
    assert found.hint == f"{secret[:9]}…{secret[-4:]}"
    assert found.metadata == {"team": "core"}
    assert (found.state, found.disabled) == (KeyState.DISABLED, True)
    assert found.allowed_addresses == ("192.0.2.0/24", "::1")
    assert found.rate_limit == RateLimit(5, HOUR)


async def test_without_more_than_name_and_digest_a_key_may_do_everything_from_now_on(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    key = KeyToImport(digest_of(a_secret()), fresh_name())

    imported = await import_(shared_client, shared_service, key)

    found = key_of(imported)
    assert found.scopes == ("*",)
    assert abs(found.create_time - datetime.now(UTC)) < HOUR
    assert (found.expire_time, found.last_use_time, found.hint) == (None, None, "")
    assert (found.allowed_addresses, found.rate_limit) == ((), None)


async def test_an_imported_key_is_judged_by_its_addresses(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    secret = a_secret()
    key = KeyToImport.from_secret(secret, fresh_name(), allowed_addresses=["192.0.2.0/24"])

    await import_(shared_client, shared_service, key)

    for address, is_good in {"192.0.2.7": True, "203.0.113.9": False}.items():
        context = RequestContext(client_ip=address)
        assert bool(await shared_client.check(secret, context=context)) is is_good


async def test_a_key_that_has_expired_is_imported_as_such(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    secret = a_secret()
    key = KeyToImport.from_secret(secret, fresh_name(), expire_time=NOW - HOUR)

    imported = await import_(shared_client, shared_service, key)

    assert key_of(imported).state is KeyState.EXPIRED
    verdict = await shared_client.check(secret, at_least_revision=imported.revision)
    assert verdict.denial is not None
    assert verdict.denial.reason == "KEY_EXPIRED"


async def test_a_repeat_finds_the_keys_and_changes_nothing(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    keys = [a_key(), a_key()]
    first = await import_(shared_client, shared_service, *keys)

    again = await import_(shared_client, shared_service, *keys, a_key())

    assert [type(result) for result in again.results] == [AlreadyThere, AlreadyThere, Imported]
    assert [key_of(again, index) for index in (0, 1)] == [key_of(first, index) for index in (0, 1)]
    assert (first.imported_count, again.imported_count) == (2, 1)
    assert again.revision > first.revision


async def test_a_repeat_does_not_bring_a_revoked_key_back(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    secret, name = a_secret(), fresh_name()
    first = await import_(shared_client, shared_service, a_key(secret, name))
    await shared_client.revoke_key(key_id=key_of(first).key_id, reason=RevocationReason.COMPROMISED)

    again = await import_(shared_client, shared_service, a_key(secret, name))

    assert isinstance(again.results[0], AlreadyThere)
    assert key_of(again).state is KeyState.REVOKED
    assert not await shared_client.check(secret, authoritative=True)


async def test_one_bad_key_does_not_keep_the_others_out(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    taken, digest = fresh_name(), digest_of(a_secret())
    await import_(shared_client, shared_service, a_key(name=taken))

    imported = await import_(
        shared_client,
        shared_service,
        a_key(),
        KeyToImport(b"short", "", scopes=["A"]),
        a_key(name=taken),
        KeyToImport(digest, fresh_name()),
        KeyToImport(digest, fresh_name()),
        KeyToImport(digest_of(a_secret()), fresh_name(), scopes=["authsvc:admin"]),
        a_key(),
    )

    assert imported.imported_count == 3
    assert [type(result) for result in imported.results] == [
        Imported,
        *[ImportFailed] * 2,
        Imported,
        *[ImportFailed] * 2,
        Imported,
    ]
    assert failures(imported) == [
        (ErrorReason.INVALID_REQUEST, ["keys[1].digest", "keys[1].name", "keys[1].scopes[0]"]),
        (ErrorReason.KEY_NAME_TAKEN, []),
        (ErrorReason.INVALID_REQUEST, ["keys[4].digest"]),
        (ErrorReason.SCOPE_NOT_GRANTABLE, []),
    ]


async def test_a_name_of_a_key_that_has_ended_is_free(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    name = fresh_name()
    first = await import_(shared_client, shared_service, a_key(name=name))
    await shared_client.revoke_key(key_id=key_of(first).key_id)

    assert (await import_(shared_client, shared_service, a_key(name=name))).imported_count == 1


async def test_the_digest_of_another_accounts_key_is_refused_without_saying_whose(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    other = await shared_service.create_account()
    secret = await shared_service.create_key(account=other)
    name = fresh_name()

    imported = await import_(shared_client, shared_service, a_key(secret, name))

    assert failures(imported) == [(ErrorReason.INVALID_REQUEST, ["keys[0].digest"])]
    assert other.account_id not in repr(imported)
    assert (await shared_client.validate(secret)).account_id == other.account_id


async def test_all_or_nothing_imports_nothing_when_one_is_bad(
    service: Service, client: AsyncAuthClient
) -> None:
    secret = a_secret()

    imported = await import_(
        client, service, a_key(secret), KeyToImport(b"", "bad"), a_key(), mode=ALL_OR_NOTHING
    )

    assert imported.results[0] == imported.results[2] == Withheld()
    assert failures(imported) == [(ErrorReason.INVALID_REQUEST, ["keys[1].digest"])]
    assert (imported.imported_count, imported.revision) == (0, 0)
    assert await names_of(client, service) == set()
    assert not await client.check(secret, authoritative=True)


async def test_all_or_nothing_imports_all_when_all_are_good(
    service: Service, client: AsyncAuthClient
) -> None:
    imported = await import_(
        client, service, a_key(name="one"), a_key(name="other"), mode=ALL_OR_NOTHING
    )

    assert imported.imported_count == 2
    assert await names_of(client, service) == {"one", "other"}


async def test_a_thousand_keys_are_imported_in_the_time_that_a_call_has(
    service: Service, client: AsyncAuthClient
) -> None:
    keys = [a_key() for _ in range(1000)]

    imported = await import_(client, service, *keys)

    assert imported.imported_count == 1000
    assert [key_of(imported, index).name for index in range(1000)] == [key.name for key in keys]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"keys": []}, "keys"),
        ({"keys": [import_pb.ImportedKey()] * 1001}, "keys"),
        ({"account_id": ""}, "account_id"),
        ({"account_id": "x"}, "account_id"),
        ({"mode": 99}, "mode"),
    ],
)
async def test_a_call_out_of_bounds_is_refused_as_a_whole(
    shared_service: Service, shared_stubs: Stubs, changes: dict[str, object], field: str
) -> None:
    values: dict[str, object] = {
        "account_id": shared_service.account.account_id,
        "keys": [import_pb.ImportedKey(digest=digest_of(a_secret()), name=fresh_name())],
    }
    request = import_pb.ImportKeysRequest(**{**values, **changes})  # type: ignore[arg-type]

    refusal = await refused(
        shared_stubs.auth.ImportKeys(request, metadata=bearer(shared_service.admin_key))
    )

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violated_fields == [field]


async def test_no_key_is_imported_into_a_disabled_account(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    account = await shared_service.create_account()
    await shared_service.execute(
        f"UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = '{account.account_id}'"
    )
    request = import_pb.ImportKeysRequest(
        account_id=account.account_id,
        keys=[import_pb.ImportedKey(digest=digest_of(a_secret()), name=fresh_name())],
    )

    refusal = await refused(
        shared_stubs.auth.ImportKeys(request, metadata=bearer(shared_service.admin_key))
    )

    assert refusal.reason == "ACCOUNT_DISABLED"


async def test_callers_of_the_system_account_are_imported_by_an_admin_only(
    shared_service: Service, shared_client: AsyncAuthClient, shared_stubs: Stubs
) -> None:
    secret, system = a_secret(), shared_service.system
    manager = await shared_service.create_key("authsvc:keys", account=system)
    key = KeyToImport.from_secret(secret, fresh_name(), scopes=["authsvc:validate"])
    request = import_pb.ImportKeysRequest(
        account_id=system.account_id,
        keys=[import_pb.ImportedKey(digest=key.digest, name=key.name, scopes=["authsvc:admin"])],
    )

    refusal = await refused(shared_stubs.auth.ImportKeys(request, metadata=bearer(manager)))
    imported = await shared_client.import_keys([key], account_id=system.account_id)

    assert refusal.reason == "ACCOUNT_NOT_FOUND"
    assert imported.imported_count == 1
    async with shared_service.client(secret) as client:
        assert await client.check(manager)


async def test_of_two_imports_of_a_key_at_the_same_time_one_finds_it(
    service: Service, client: AsyncAuthClient
) -> None:
    keys = [a_key() for _ in range(3)]
    async with locked(service, WRITERS_LOCKED) as connection:
        both = [asyncio.create_task(import_(client, service, *keys)) for _ in range(2)]
        await until_waiting(connection, 2)

    first, second = await asyncio.gather(*both)

    assert sorted([first.imported_count, second.imported_count]) == [0, 3]
    assert {key_of(first, index).key_id for index in range(3)} == {
        key_of(second, index).key_id for index in range(3)
    }


async def test_an_import_beside_the_creation_of_a_key_of_the_same_name_is_refused_or_first(
    service: Service, client: AsyncAuthClient, stubs: Stubs
) -> None:
    create = pb.CreateKeyRequest(account_id=service.account.account_id, name="the same")
    async with locked(service, WRITERS_LOCKED) as connection:
        importing = asyncio.create_task(import_(client, service, a_key(name="the same")))
        created = asyncio.create_task(
            _reason_of(stubs.auth.CreateKey(create, metadata=bearer(service.admin_key)))
        )
        await until_waiting(connection, 2)

    imported, reason = await importing, await created

    assert (imported.imported_count, reason) in {(1, "KEY_NAME_TAKEN"), (0, None)}


async def _reason_of(call: Awaitable[object]) -> str | None:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error).reason
    return None


async def test_every_imported_key_is_in_the_audit_log_and_no_digest_is(service: Service) -> None:
    keys = [a_key(name="one"), a_key(name="other")]
    async with service.client() as client:
        imported = await import_(client, service, *keys)
        await import_(client, service, *keys)

    told = await events_of(service, actions=["ImportKeys"])
    [one, other, repeat] = told
    assert [event.target.target_id for event in (one, other) if event.target] == [
        key_of(imported, index).key_id for index in (0, 1)
    ]
    assert one.after is not None
    assert one.after["name"] == "one"
    assert repeat.target is not None
    assert repeat.target.target_id == service.account.account_id
    assert (repeat.before, repeat.after, repeat.outcome) == (None, None, "OK")
    log = json.dumps([dict(row) for row in await rows_of(service)], default=str)
    assert [key.digest.hex() for key in keys if key.digest.hex() in log] == []
