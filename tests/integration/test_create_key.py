"""CreateKey: what is made, what is shown once, and what is kept."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.auth import AlreadyExists, AsyncAuthClient, CreatedKey, KeyState, NotFound
from tests.conftest import Service
from tests.integration.support import connected, fresh_name, url_of

ROBOT = "\N{ROBOT FACE}"


async def create(client: AsyncAuthClient, service: Service, name: str) -> CreatedKey:
    return await client.create_key(name, account_id=service.account.account_id)


async def test_a_key_with_nothing_but_a_name_has_the_defaults(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    name = fresh_name()
    begun = datetime.now(UTC)

    created = await create(shared_client, shared_service, name)

    key = created.key
    assert re.fullmatch(r"key_[0-7][0-9a-hjkmnp-tv-z]{25}", key.key_id)
    assert (key.account_id, key.name) == (shared_service.account.account_id, name)
    assert (key.scopes, key.state, key.metadata) == (("*",), KeyState.ACTIVE, {})
    assert begun <= key.create_time <= datetime.now(UTC)
    assert (key.expire_time, key.revoke_time, key.last_use_time) == (None, None, None)
    assert (key.revoke_reason, key.revoke_note) == (None, "")
    assert key.etag
    assert created.revision > 0


async def test_a_key_has_every_field_as_it_was_asked_for(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    expire_time = datetime.now(UTC) + timedelta(days=90)
    metadata = {f"k.{n}-_": "v" * 120 for n in range(30)} | {"unicode": f"größe {ROBOT}"}

    created = await shared_client.create_key(
        fresh_name(),
        account_id=shared_service.account.account_id,
        scopes=["sessions:read", "keys:*", "sessions:read", "a.b_c-d:0"],
        expire_time=expire_time,
        metadata=metadata,
    )

    assert created.key.scopes == ("a.b_c-d:0", "keys:*", "sessions:read")
    assert created.key.expire_time == expire_time
    assert created.key.metadata == metadata
    assert (await shared_client.validate(created.secret.reveal())).metadata == metadata


async def test_a_time_to_live_counts_from_the_creation(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await shared_client.create_key(
        fresh_name(), account_id=shared_service.account.account_id, ttl=timedelta(hours=1)
    )

    assert created.key.expire_time is not None
    drift = created.key.expire_time - created.key.create_time - timedelta(hours=1)
    assert abs(drift) < timedelta(seconds=5)


async def test_a_secret_is_160_random_bits_and_its_hint_shows_32(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = [await create(shared_client, shared_service, fresh_name()) for _ in range(20)]

    secrets = [each.secret.reveal() for each in created]
    assert all(re.fullmatch(r"orch_[0-9a-f]{40}", secret) for secret in secrets)
    assert len(set(secrets)) == 20
    hints = [each.key.hint for each in created]
    assert hints == [f"{secret[:9]}…{secret[-4:]}" for secret in secrets]


async def test_no_table_holds_a_secret(service: Service, client: AsyncAuthClient) -> None:
    created = await create(client, service, "secret one")
    await client.validate(created.secret.reveal())
    await client.revoke_key(secret=created.secret, note="gone")

    async with connected(url_of(service)) as connection:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        rows = [
            str(row[0])
            for (table,) in tables
            for row in await connection.fetch(f"SELECT t::text FROM {table} t")
        ]

    dump = "\n".join(rows)
    assert created.key.key_id in dump
    for secret in (created.secret.reveal(), service.admin_key):
        assert secret[5:] not in dump
        assert secret.encode().hex() not in dump


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "n" * 100,
        ROBOT * 100,
        "größe 数据 مفتاح",
        "\N{MAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
        "'; DROP TABLE keys; --",
        "%s {} $1 \\",
    ],
    ids=["shortest", "longest", "longest emoji", "scripts", "joined emoji", "SQL", "formats"],
)
async def test_a_name_is_kept_as_it_is(
    shared_service: Service, shared_client: AsyncAuthClient, name: str
) -> None:
    created = await create(shared_client, shared_service, name)

    assert created.key.name == name
    assert (await shared_client.validate(created.secret.reveal())).key_name == name


async def test_a_name_is_taken_while_its_key_lives(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    name = fresh_name()
    first = await create(shared_client, shared_service, name)
    with pytest.raises(AlreadyExists) as taken:
        await create(shared_client, shared_service, name)
    assert taken.value.reason == "KEY_NAME_TAKEN"

    await shared_client.revoke_key(key_id=first.key.key_id)
    second = await create(shared_client, shared_service, name)

    assert second.key.key_id != first.key.key_id
    assert second.revision > first.revision


async def test_names_of_one_account_are_free_in_another_and_differ_by_case(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    name, other = fresh_name(), await shared_service.create_account()
    await create(shared_client, shared_service, name)

    elsewhere = await shared_client.create_key(name, account_id=other.account_id)
    upper = await create(shared_client, shared_service, name.upper())

    assert elsewhere.key.name == name
    assert upper.key.name == name.upper()


async def test_an_expired_key_keeps_its_name(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    name = fresh_name()
    first = await create(shared_client, shared_service, name)
    await shared_service.execute(
        f"UPDATE authsvc.keys SET expire_time = now() WHERE key_id = '{first.key.key_id}'"
    )

    with pytest.raises(AlreadyExists):
        await create(shared_client, shared_service, name)


async def test_of_twenty_creations_of_one_name_at_once_one_wins(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    name = fresh_name()

    outcomes = await asyncio.gather(
        *(create(shared_client, shared_service, name) for _ in range(20)), return_exceptions=True
    )

    won = [outcome for outcome in outcomes if isinstance(outcome, CreatedKey)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, AlreadyExists)]
    assert (len(won), len(lost)) == (1, 19)
    assert await shared_client.check(won[0].secret.reveal())


async def test_an_account_that_does_not_exist_gets_no_key(shared_client: AsyncAuthClient) -> None:
    with pytest.raises(NotFound) as refused:
        await shared_client.create_key("n", account_id="acct_01h2xcejqtf2nbrexx3vqjhp41")

    assert refused.value.reason == "ACCOUNT_NOT_FOUND"
