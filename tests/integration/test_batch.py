"""BatchValidateCredentials: many at once, each as it would have been judged alone."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from orchestrator.auth import FreshnessSource
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import denial_pb2, freshness_pb2
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, fresh_name, mint, refused, stubs_of, until
from tests.integration.support_fresh import remembered, served
from tests.integration.support_proxy import proxied

RECORDS_READ = "k.digest ="
DATABASE = freshness_pb2.FRESHNESS_SOURCE_DATABASE
CACHE = freshness_pb2.FRESHNESS_SOURCE_CACHE


def question(
    credential: str, *scopes: str, **freshness: bool | int
) -> pb.ValidateCredentialRequest:
    request = pb.ValidateCredentialRequest(credential=credential, required_scopes=scopes)
    if freshness:
        request.freshness.CopyFrom(freshness_pb2.FreshnessRequirement(**freshness))  # type: ignore[arg-type]
    return request


async def judge(
    stubs: Stubs, caller: str, *questions: pb.ValidateCredentialRequest
) -> list[pb.ValidateCredentialResponse]:
    response = await stubs.auth.BatchValidateCredentials(
        pb.BatchValidateCredentialsRequest(requests=questions), metadata=bearer(caller), timeout=10
    )
    return list(response.responses)


def outcome_of(response: pb.ValidateCredentialResponse) -> str:
    if response.HasField("principal"):
        return response.principal.key_id or response.principal.user_id
    name = denial_pb2.DenialReason.Name(response.denial.reason)
    return name.removeprefix("DENIAL_REASON_")


def a_secret() -> str:
    return f"orch_{secrets.token_hex(20)}"


async def test_each_credential_gets_its_own_verdict_in_order(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    async with shared_service.client() as client:
        account_id = shared_service.account.account_id
        live, narrow, revoked = [
            await client.create_key(fresh_name(), account_id=account_id, scopes=scopes)
            for scopes in (["*"], ["sessions:read"], ["*"])
        ]
        await client.revoke_key(key_id=revoked.key.key_id)
    token = await mint(shared_service, user_id="user_7")
    old = await mint(
        shared_service, issue_time=datetime.now(UTC) - timedelta(hours=1), ttl=timedelta(minutes=1)
    )
    asked = {
        "live": (question(live.secret.reveal()), live.key.key_id),
        "none": (question(""), "MISSING_CREDENTIAL"),
        "malformed": (question("orch_1"), "INVALID_KEY_FORMAT"),
        "token": (question(f"Bearer {token}"), "user_7"),
        "old token": (question(old), "TOKEN_EXPIRED"),
        "forged token": (question(f"{token[:-4]}AAAA"), "TOKEN_INVALID"),
        "unknown": (question(a_secret()), "KEY_NOT_FOUND"),
        "revoked": (question(revoked.secret.reveal()), "KEY_REVOKED"),
        "basic": (question("Basic abc"), "UNSUPPORTED_SCHEME"),
        "narrow": (question(narrow.secret.reveal(), "sessions:read"), narrow.key.key_id),
        "too narrow": (question(narrow.secret.reveal(), "sessions:write"), "INSUFFICIENT_SCOPE"),
        "live again": (question(f"Bearer {live.secret.reveal()}"), live.key.key_id),
    }

    responses = await judge(
        shared_stubs, shared_service.admin_key, *(request for request, _ in asked.values())
    )

    expected = {name: outcome for name, (_, outcome) in asked.items()}
    assert dict(zip(asked, map(outcome_of, responses), strict=True)) == expected


@pytest.mark.parametrize("freshness", [{}, {"authoritative": True}])
async def test_each_response_is_that_of_a_single_call(
    shared_service: Service, shared_stubs: Stubs, freshness: dict[str, bool]
) -> None:
    key = await shared_service.create_key("sessions:read")
    questions = [
        question(credential, *scopes, **freshness)
        for credential in (key, "", "x", a_secret(), await mint(shared_service))
        for scopes in ((), ("sessions:read",), ("keys:write",))
    ]

    together = await judge(shared_stubs, shared_service.admin_key, *questions)
    alone = [
        await shared_stubs.auth.ValidateCredential(one, metadata=bearer(shared_service.admin_key))
        for one in questions
    ]

    for response in (*together, *alone):
        assert response.HasField("freshness")
        response.ClearField("freshness")
    assert together == alone


async def test_an_empty_batch_has_an_empty_answer(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    assert await judge(shared_stubs, shared_service.admin_key) == []


async def test_the_same_credential_many_times_gets_as_many_verdicts(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    key, unknown = await shared_service.create_key(), a_secret()

    responses = await judge(
        shared_stubs, shared_service.admin_key, *[question(key), question(unknown)] * 100
    )

    outcomes = Counter(map(outcome_of, responses))
    assert outcomes["KEY_NOT_FOUND"] == 100
    assert sorted(outcomes.values()) == [100, 100]
    assert [response.HasField("principal") for response in responses] == [True, False] * 100


async def test_a_thousand_are_judged(shared_service: Service, shared_stubs: Stubs) -> None:
    key = await shared_service.create_key()
    questions = [question(a_secret()) for _ in range(999)]

    responses = await judge(shared_stubs, shared_service.admin_key, *questions, question(key))

    assert [outcome_of(response) for response in responses[:-1]] == ["KEY_NOT_FOUND"] * 999
    assert responses[-1].HasField("principal")


async def test_every_broken_bound_is_reported_with_its_place(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    refusal = await refused(
        judge(
            shared_stubs,
            shared_service.admin_key,
            question("", "A"),
            question("", "fine"),
            question("", "fine", "B", at_least_revision=-1),
        )
    )

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violated_fields == [
        "requests[0].required_scopes[0]",
        "requests[2].required_scopes[1]",
        "requests[2].freshness.at_least_revision",
    ]


@pytest.mark.parametrize("scope", ["*", "authsvc:keys"])
async def test_who_may_not_validate_may_not_validate_many(
    shared_service: Service, shared_stubs: Stubs, scope: str
) -> None:
    account = shared_service.account if scope == "*" else shared_service.system
    caller = await shared_service.create_key(scope, account=account)

    refusal = await refused(judge(shared_stubs, caller, question(caller)))

    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "CALLER_NOT_PERMITTED",
    )


async def test_what_is_in_memory_and_what_is_not_each_say_where_they_come_from(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    async with shared_service.client() as client:
        account_id = shared_service.account.account_id
        known, other = [
            await client.create_key(fresh_name(), account_id=account_id) for _ in range(2)
        ]
        for created in (known, other):
            await remembered(client, created.secret.reveal(), created.revision)

    responses = await judge(
        shared_stubs,
        shared_service.admin_key,
        question(known.secret.reveal()),
        question(a_secret()),
        question(other.secret.reveal(), authoritative=True),
    )

    assert [response.freshness.source for response in responses] == [CACHE, DATABASE, DATABASE]


async def test_all_keys_that_are_not_in_memory_are_read_by_one_statement(
    database_url: str,
) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url) as server,
        stubs_of(server.service.address) as stubs,
    ):
        secrets_ = [(await server.new_key()).secret for _ in range(20)]
        await remembered(server.client, server.service.admin_key)
        read_before = proxy.count_of(RECORDS_READ)

        responses = await judge(
            stubs,
            server.service.admin_key,
            *map(question, secrets_),
            *(question(a_secret()) for _ in range(20)),
        )

        assert [response.HasField("principal") for response in responses] == [True] * 20 + [
            False
        ] * 20
        assert proxy.count_of(RECORDS_READ) - read_before == 1


async def test_keys_with_demands_of_many_kinds_are_read_by_one_statement_too(
    database_url: str,
) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url) as server,
        stubs_of(server.service.address) as stubs,
    ):
        keys = [await server.new_key() for _ in range(20)]
        await remembered(server.client, server.service.admin_key)
        read_before = proxy.count_of(RECORDS_READ)

        responses = await judge(
            stubs,
            server.service.admin_key,
            *(question(key.secret, at_least_revision=key.revision) for key in keys),
            *(question(key.secret, authoritative=True) for key in keys),
            *(question(key.secret) for key in keys),
        )

        assert all(response.HasField("principal") for response in responses)
        assert proxy.count_of(RECORDS_READ) - read_before == 1


async def test_more_than_a_thousand_are_refused_before_anything_is_read(
    database_url: str,
) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url) as server,
        stubs_of(server.service.address) as stubs,
    ):
        await remembered(server.client, server.service.admin_key)
        read_before = proxy.count_of(RECORDS_READ)

        refusal = await refused(
            judge(stubs, server.service.admin_key, *(question(a_secret()) for _ in range(1001)))
        )

        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refusal.violated_fields == ["requests"]
        assert proxy.count_of(RECORDS_READ) == read_before


async def test_without_the_database_there_is_a_status_and_no_verdict(database_url: str) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, max_staleness=3600, database_timeout=1) as server,
        stubs_of(server.service.address) as stubs,
    ):
        key = await server.new_key()
        known = key.secret
        await server.remember(key)
        await remembered(server.client, server.service.admin_key)

        proxy.refuse()

        # What is in memory is judged; one that is not leaves the whole batch undecided
        (response,) = await judge(stubs, server.service.admin_key, question(known))
        assert response.HasField("principal")
        refusal = await refused(
            judge(stubs, server.service.admin_key, question(known), question(a_secret()))
        )
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.UNAVAILABLE,
            "DATABASE_UNAVAILABLE",
        )
        assert refusal.retry_delay == timedelta(seconds=1)

        proxy.accept()

        async def is_well() -> bool:
            verdict = await server.client.check(a_secret())
            return verdict.freshness.source is FreshnessSource.DATABASE

        await until(is_well)


async def test_what_a_batch_reads_is_remembered(database_url: str) -> None:
    async with (
        served(database_url) as server,
        stubs_of(server.service.address) as stubs,
    ):
        secret = (await server.new_key()).secret
        await remembered(server.client, server.service.admin_key)

        async def is_remembered() -> bool:
            (response,) = await judge(stubs, server.service.admin_key, question(secret))
            return response.freshness.source == CACHE

        await until(is_remembered)
