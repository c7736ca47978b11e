"""Keys that are good from certain addresses only, and rate limits as keys have them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from authsvc import app
from authsvc.domain.key_secrets import digest_of
from orchestrator.auth import (
    AsyncAuthClient,
    CreatedKey,
    CredentialDenied,
    FailedPrecondition,
    Heartbeat,
    InvalidArgument,
    KeyChanged,
    PermissionDenied,
    Question,
    RateLimit,
    RequestContext,
    Reset,
    Unauthenticated,
)
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import denial_pb2
from orchestrator.auth.v1.key_management_pb2 import UpdateKeyRequest
from orchestrator.auth.v1.key_pb2 import Key
from orchestrator.auth.v1.rate_limit_pb2 import RateLimit as WireRateLimit
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, fresh_name, refused
from tests.integration.support_fresh import reason_of, remembered, served

HOME, AWAY = RequestContext(client_ip="192.0.2.7"), RequestContext(client_ip="203.0.113.9")
LIMIT = RateLimit(100, timedelta(minutes=1))
DENIED = "ADDRESS_NOT_ALLOWED"


async def restricted(
    client: AsyncAuthClient, service: Service, *rules: str, scopes: tuple[str, ...] = ()
) -> CreatedKey:
    return await client.create_key(
        fresh_name(),
        account_id=service.account.account_id,
        scopes=scopes,
        allowed_addresses=rules or ("192.0.2.0/24",),
    )


async def test_rules_and_a_limit_are_kept_as_shown(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await client.create_key(
        fresh_name(),
        account_id=service.account.account_id,
        allowed_addresses=["2001:DB8::/32", "::ffff:192.0.2.7", "192.0.2.7/32"],
        rate_limit=LIMIT,
    )

    assert created.key.allowed_addresses == ("192.0.2.7", "2001:db8::/32")
    assert created.key.rate_limit == LIMIT
    assert await client.get_key(created.key.key_id) == created.key
    account_id = service.account.account_id
    assert [key async for key in client.list_keys(account_id=account_id)] == [created.key]


@pytest.mark.parametrize(
    ("client_ip", "is_good"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::1", True),
        ("fe80::1%eth0", True),
        ("203.0.113.9", False),
        ("2001:db9::1", False),
        ("::ffff:203.0.113.9", False),
        ("", False),
    ],
)
async def test_a_restricted_key_is_good_from_its_addresses_alone(
    shared_service: Service, shared_client: AsyncAuthClient, client_ip: str, *, is_good: bool
) -> None:
    created = await restricted(
        shared_client, shared_service, "192.0.2.0/24", "2001:db8::/32", "fe80::/10"
    )
    context = RequestContext(client_ip=client_ip)

    first = await shared_client.check(created.secret, context=context)
    again = await shared_client.check(created.secret, context=context)

    assert [reason_of(first), reason_of(again)] == [None if is_good else DENIED] * 2


async def test_the_denial_can_be_pasted_into_a_response(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await restricted(shared_client, shared_service)

    with pytest.raises(CredentialDenied) as caught:
        await shared_client.validate(created.secret, required_scopes=["a"], context=AWAY)

    denial = caught.value.denial
    assert denial.http_body() == {
        "error": "FORBIDDEN", "message": "Client address not allowed", "code": 403
    }  # fmt: skip
    assert denial.http_headers() == {}


async def test_memory_keeps_the_record_and_not_the_verdict(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await restricted(client, service)
    await remembered(client, created.secret.reveal(), created.revision)

    verdicts = [await client.check(created.secret, context=one) for one in (HOME, AWAY, HOME)]

    assert [reason_of(verdict) for verdict in verdicts] == [None, DENIED, None]


async def test_each_of_a_batch_is_judged_by_its_own_address(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await restricted(shared_client, shared_service)
    free = await shared_service.create_key()
    questions = [
        Question(created.secret, context=HOME),
        Question(created.secret, context=AWAY),
        Question(created.secret),
        Question(free, context=AWAY),
    ]

    for _ in range(2):
        verdicts = await shared_client.check_many(questions)
        assert [verdict.denial and verdict.denial.reason for verdict in verdicts] == [
            None,
            DENIED,
            DENIED,
            None,
        ]


async def test_a_key_that_was_narrowed_is_denied_at_once_by_another_server(
    database_url: str,
) -> None:
    async with served(database_url) as one, served(database_url) as two:
        key = await one.new_key()
        await two.remember(key)
        async with two.client.watch(key.revision) as events:
            narrowed = await one.client.update_key(key.key_id, allowed_addresses=["192.0.2.7"])
            async for event in events:
                if isinstance(event, KeyChanged):
                    assert event.key_id == key.key_id
                    break
        at_least = narrowed.revision

        away = await two.client.check(key.secret, context=AWAY, at_least_revision=at_least)
        home = await two.client.check(key.secret, context=HOME, at_least_revision=at_least)

    assert [reason_of(away), reason_of(home)] == [DENIED, None]


@pytest.mark.parametrize(
    "column",
    [
        "allowed_addresses = '{192.0.2.7}'",
        "rate_limit_requests = 1, rate_limit_seconds = 1",
    ],
)
async def test_a_change_made_by_hand_is_told(service: Service, column: str) -> None:
    async with service.client() as client:
        created = await restricted(client, service, "192.0.2.0/24")
        async with client.watch(created.revision) as events:
            await service.execute(
                f"UPDATE authsvc.keys SET {column} WHERE key_id = '{created.key.key_id}'"
            )
            async for event in events:
                if not isinstance(event, Heartbeat):
                    break

    assert isinstance(event, KeyChanged)
    assert event.key_id == created.key.key_id


async def test_a_rule_that_was_broken_by_hand_allows_nothing(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await restricted(client, service)
    await service.execute(
        "UPDATE authsvc.keys SET allowed_addresses = '{192.0.2.7/24,x}'"
        f" WHERE key_id = '{created.key.key_id}'"
    )

    verdict = await client.check(created.secret, context=HOME, authoritative=True)

    assert reason_of(verdict) == DENIED


async def test_a_restricted_caller_calls_from_its_addresses(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    secret = (
        await shared_client.create_key(
            fresh_name(),
            account_id=shared_service.system.account_id,
            scopes=["authsvc:admin"],
            allowed_addresses=["127.0.0.0/8", "::1"],
        )
    ).secret.reveal()
    asked = await shared_service.create_key()

    async with shared_service.client(secret) as caller:
        # Not from memory, from memory, and by the methods that read the caller anew.
        for _ in range(3):
            assert await caller.check(asked)
        assert await caller.check_many([asked])
        assert [account async for account in caller.list_accounts()]
        async with caller.watch() as events:
            told = [await anext(events) for _ in range(3)]

    assert [type(event) for event in told] == [Reset, Heartbeat, Heartbeat]


async def test_the_uses_of_a_restricted_caller_are_counted_once(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await client.create_key(
        fresh_name(),
        account_id=service.system.account_id,
        scopes=["authsvc:validate"],
        allowed_addresses=["127.0.0.1"],
    )
    await remembered(client, created.secret.reveal(), created.revision)
    await service.parts.usage.flush(app.time_limit())
    key_id, count = created.key.key_id, "SELECT count FROM authsvc.key_usage WHERE key_id = $1"
    refusals = f"{count} AND outcome = 'ADDRESS_NOT_ALLOWED'"
    before = await service.parts.database.fetch_row(app.time_limit(), refusals, key_id)
    async with service.client(created.secret.reveal()) as caller:
        for _ in range(3):
            await caller.check(None)
    await service.parts.usage.flush(app.time_limit())

    after = await service.parts.database.fetch_row(app.time_limit(), refusals, key_id)
    good = await service.parts.database.fetch_row(
        app.time_limit(), f"{count} AND outcome = 'OK'", key_id
    )

    # `remembered` asks without an address, and is denied.
    assert before == after
    assert good is not None
    assert good["count"] == 3


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client: client.check(None), id="check"),
        pytest.param(lambda client: client.check_many([None]), id="check_many"),
        pytest.param(lambda client: anext(client.watch()), id="watch"),
        pytest.param(lambda client: client.create_account("New"), id="create_account"),
        pytest.param(lambda client: client.revoke_key(secret="x"), id="revoke_key"),
    ],
)
async def test_a_restricted_caller_gets_nowhere_from_elsewhere(
    shared_service: Service,
    shared_client: AsyncAuthClient,
    call: Callable[[AsyncAuthClient], Awaitable[object]],
) -> None:
    created = await shared_client.create_key(
        fresh_name(),
        account_id=shared_service.system.account_id,
        scopes=["authsvc:admin"],
        allowed_addresses=["192.0.2.7"],
    )

    async with shared_service.client(created.secret.reveal()) as caller:
        for _ in range(2):
            with pytest.raises(Unauthenticated) as caught:
                await call(caller)

    assert caught.value.reason == "CALLER_CREDENTIAL_INVALID"
    assert caught.value.metadata == {"denial_reason": f"DENIAL_REASON_{DENIED}"}


async def test_a_stream_ends_when_its_caller_may_no_longer_call_from_there(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await client.create_key(
        fresh_name(),
        account_id=service.system.account_id,
        scopes=["authsvc:validate"],
        allowed_addresses=["127.0.0.1", "192.0.2.7"],
    )
    async with service.client(created.secret.reveal()) as caller, caller.watch() as events:
        assert isinstance(await anext(events), Reset)

        await client.update_key(created.key.key_id, allowed_addresses=["192.0.2.7"])

        with pytest.raises(Unauthenticated):
            async for _ in events:
                pass


async def test_a_successor_is_restricted_and_limited_as_the_key_before(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await restricted(client, service)
    await client.update_key(created.key.key_id, rate_limit=LIMIT)

    rotated = await client.rotate_key(created.key.key_id)

    assert rotated.key.allowed_addresses == ("192.0.2.0/24",)
    assert rotated.key.rate_limit == LIMIT
    for secret in (created.secret, rotated.secret):
        assert reason_of(await client.check(secret, context=AWAY, authoritative=True)) == DENIED
        assert await client.check(secret, context=HOME, authoritative=True)


@pytest.mark.parametrize(
    "wider",
    [
        {"allowed_addresses": ()},
        {"allowed_addresses": ("192.0.2.0/23",)},
        {"rate_limit": None},
        {"rate_limit": RateLimit(101, timedelta(minutes=1))},
        {"rate_limit": RateLimit(100, timedelta(seconds=59))},
    ],
)
async def test_to_widen_a_key_is_to_grant_its_scopes_and_not_for_one_that_was_rotated(
    shared_service: Service, shared_client: AsyncAuthClient, wider: dict[str, object]
) -> None:
    created = await restricted(shared_client, shared_service)
    key_id = created.key.key_id
    await shared_client.update_key(key_id, rate_limit=LIMIT)

    async with shared_service.client(await shared_service.create_key("keys:*")) as narrow:
        with pytest.raises(PermissionDenied):
            await narrow.update_key(key_id, **wider)  # type: ignore[arg-type]
        await narrow.update_key(
            key_id,
            allowed_addresses=["192.0.2.0/25"],
            rate_limit=RateLimit(100, timedelta(minutes=2)),
        )
    await shared_client.rotate_key(key_id)
    with pytest.raises(FailedPrecondition) as caught:
        await shared_client.update_key(key_id, **wider)  # type: ignore[arg-type]

    assert caught.value.reason == "KEY_SUPERSEDED"
    narrower = await shared_client.update_key(key_id, allowed_addresses=["192.0.2.7"])
    assert narrower.key.allowed_addresses == ("192.0.2.7",)


async def test_what_is_named_and_not_set_is_taken_away(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await restricted(shared_client, shared_service)
    key_id = created.key.key_id
    await shared_client.update_key(key_id, rate_limit=LIMIT)

    named = await shared_client.update_key(key_id, name=fresh_name())
    free = await shared_client.update_key(key_id, allowed_addresses=(), rate_limit=None)

    assert named.key.allowed_addresses == ("192.0.2.0/24",)
    assert named.key.rate_limit == LIMIT
    assert free.key.allowed_addresses == ()
    assert free.key.rate_limit is None
    assert await shared_client.check(created.secret, context=AWAY, at_least_revision=free.revision)


@pytest.mark.parametrize(
    ("fields", "violated"),
    [
        ({"allowed_addresses": ["192.0.2.7"] * 101}, "allowed_addresses"),
        ({"allowed_addresses": ["192.0.2.7", "x"]}, "allowed_addresses[1]"),
        ({"allowed_addresses": ["192.0.2.7/24"]}, "allowed_addresses[0]"),
        ({"rate_limit": WireRateLimit(period=Duration(seconds=1))}, "rate_limit.requests"),
        ({"rate_limit": WireRateLimit(requests=1)}, "rate_limit.period"),
        (
            {"rate_limit": WireRateLimit(requests=1, period=Duration(seconds=2**62))},
            "rate_limit.period",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_value_out_of_bounds_is_named(
    shared_service: Service, shared_stubs: Stubs, fields: dict[str, object], violated: str
) -> None:
    metadata = bearer(shared_service.admin_key)
    create = pb.CreateKeyRequest(
        account_id=shared_service.account.account_id,
        name=fresh_name(),
        **fields,  # type: ignore[arg-type]
    )
    update = UpdateKeyRequest(
        key=Key(key_id="key_01h2xcejqtf2nbrexx3vqjhp41", **fields)  # type: ignore[arg-type]
    )

    refused_create = await refused(shared_stubs.auth.CreateKey(create, metadata=metadata))
    refused_update = await refused(shared_stubs.auth.UpdateKey(update, metadata=metadata))

    assert refused_create.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused_create.violated_fields == [violated]
    assert refused_update.violated_fields == [f"key.{violated}"]


async def test_a_bad_rule_is_told_its_network_and_not_repeated(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await restricted(shared_client, shared_service, "192.0.2.7/24", "hunter2" * 100)

    assert [v.description for v in caught.value.field_violations] == [
        "begins with the first address of its network: 192.0.2.0/24",
        "is an IP address or network, like 192.0.2.7 or 2001:db8::/32",
    ]
    assert "hunter2" not in str(caught.value)


async def test_a_repeat_with_other_rules_or_another_limit_is_no_repeat(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    auth, metadata = shared_stubs.auth, bearer(shared_service.admin_key)
    request = pb.CreateKeyRequest(
        account_id=shared_service.account.account_id,
        name=fresh_name(),
        request_id=str(uuid.uuid4()),
        allowed_addresses=["192.0.2.7", "::1"],
        rate_limit=WireRateLimit(requests=1, period=Duration(seconds=1)),
    )
    first = await auth.CreateKey(request, metadata=metadata)
    request.allowed_addresses[:] = ["::1", "192.0.2.7/32", "::1"]

    assert await auth.CreateKey(request, metadata=metadata) == first

    others = [pb.CreateKeyRequest() for _ in range(4)]
    for other in others:
        other.CopyFrom(request)
    others[0].allowed_addresses.append("192.0.2.8")
    del others[1].allowed_addresses[:]
    others[2].rate_limit.requests = 2
    others[3].ClearField("rate_limit")
    for other in others:
        refusal = await refused(auth.CreateKey(other, metadata=metadata))
        assert refusal.reason == "REQUEST_ID_REUSED"


async def test_an_explanation_says_that_the_key_is_restricted(
    shared_service: Service, shared_stubs: Stubs, shared_client: AsyncAuthClient
) -> None:
    created = await restricted(shared_client, shared_service, "192.0.2.0/24", "::1")
    validator = await shared_service.create_key("authsvc:validate", account=shared_service.system)
    request = pb.ExplainCredentialRequest(credential=created.secret.reveal())
    explain = shared_stubs.auth.ExplainCredential

    unsaid = await explain(request, metadata=bearer(shared_service.admin_key))
    request.context.client_ip = "203.0.113.9"
    away = await explain(request, metadata=bearer(validator))
    request.context.client_ip = "192.0.2.7"
    home = await explain(request, metadata=bearer(validator))

    assert unsaid.denial.reason == denial_pb2.DENIAL_REASON_ADDRESS_NOT_ALLOWED
    assert [(f.code, f.length) for f in unsaid.findings] == [(57, 2)]
    assert unsaid.key.allowed_addresses == ["192.0.2.0/24", "::1"]
    assert [(f.code, f.length) for f in away.findings] == [(56, 2)]
    assert not away.key.allowed_addresses
    assert home.HasField("principal")
    assert not home.findings


async def test_a_record_without_rules_has_nothing_of_them(service: Service) -> None:
    secret = await service.create_key()
    records = await service.parts.keys.find_key_records([digest_of(secret)], app.time_limit())

    (record,) = records.values()
    assert record.addresses is None
    assert record.rate_limit is None


async def test_records_share_what_they_have_alike(
    service: Service, client: AsyncAuthClient
) -> None:
    digests = []
    for _ in range(2):
        created = await client.create_key(
            fresh_name(),
            account_id=service.account.account_id,
            allowed_addresses=["192.0.2.0/24"],
            rate_limit=LIMIT,
        )
        digests.append(digest_of(created.secret.reveal()))

    one, other = (await service.parts.keys.find_key_records(digests, app.time_limit())).values()

    assert one.addresses is other.addresses
    assert one.rate_limit is other.rate_limit
    assert one.rate_limit is not None
    assert (one.rate_limit.requests, one.rate_limit.period) == (100, timedelta(minutes=1))
