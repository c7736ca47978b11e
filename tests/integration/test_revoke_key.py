"""RevokeKey: by id, by secret, again, and at the same time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import grpc
import pytest

from orchestrator.auth import (
    AsyncAuthClient,
    CreatedKey,
    InvalidArgument,
    KeyState,
    NotFound,
    RevocationReason,
)
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import (
    Stubs,
    bearer,
    connected,
    fresh_name,
    refused,
    url_of,
)

UNKNOWN_ID = "key_01h2xcejqtf2nbrexx3vqjhp41"


async def create(client: AsyncAuthClient, service: Service) -> CreatedKey:
    return await client.create_key(
        fresh_name(), account_id=service.account.account_id, metadata={"team": "x"}
    )


@pytest.mark.parametrize("by", ["key_id", "secret"])
async def test_a_revoked_key_is_denied_and_says_when_and_why(
    shared_service: Service, shared_client: AsyncAuthClient, by: str
) -> None:
    created = await create(shared_client, shared_service)
    begun = datetime.now(UTC)

    revoked = await shared_client.revoke_key(
        key_id=created.key.key_id if by == "key_id" else None,
        secret=created.secret if by == "secret" else None,
        reason=RevocationReason.COMPROMISED,
        note="Found in a log.\r\n\tSee \N{ROBOT FACE}.",
    )

    key, before = revoked.key, created.key
    assert (key.key_id, key.name, key.scopes) == (before.key_id, before.name, before.scopes)
    assert (key.hint, key.metadata) == (before.hint, before.metadata)
    assert key.create_time == before.create_time
    assert key.state is KeyState.REVOKED
    assert key.revoke_time is not None
    assert begun <= key.revoke_time <= datetime.now(UTC)
    assert key.revoke_reason is RevocationReason.COMPROMISED
    assert key.revoke_note == "Found in a log.\r\n\tSee \N{ROBOT FACE}."
    assert key.etag != before.etag
    assert revoked.revision > created.revision
    denial = (
        await shared_client.check(created.secret.reveal(), at_least_revision=revoked.revision)
    ).denial
    assert denial is not None
    assert denial.reason == "KEY_REVOKED"


@pytest.mark.parametrize("reason", [each for each in RevocationReason if each != "UNKNOWN"])
async def test_every_reason_is_kept(
    shared_service: Service, shared_client: AsyncAuthClient, reason: RevocationReason
) -> None:
    created = await create(shared_client, shared_service)

    await shared_client.revoke_key(key_id=created.key.key_id, reason=reason)
    again = await shared_client.revoke_key(key_id=created.key.key_id)

    assert again.key.revoke_reason is reason


async def test_a_repeat_succeeds_and_changes_nothing(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await create(shared_client, shared_service)
    first = await shared_client.revoke_key(
        key_id=created.key.key_id, reason=RevocationReason.SUPERSEDED, note="first"
    )

    by_id = await shared_client.revoke_key(
        key_id=created.key.key_id, reason=RevocationReason.COMPROMISED, note="second"
    )
    by_secret = await shared_client.revoke_key(secret=created.secret, note="third")

    assert by_id == first
    assert by_secret == first


async def test_twenty_revocations_at_once_are_one_change(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await create(shared_client, shared_service)

    revoked = await asyncio.gather(
        *(
            shared_client.revoke_key(key_id=created.key.key_id, note=f"number {n}")
            for n in range(20)
        )
    )

    assert all(each == revoked[0] for each in revoked)
    async with connected(url_of(shared_service)) as connection:
        changes = await connection.fetch(
            "SELECT kind, revision FROM authsvc.changes WHERE key_id = $1 ORDER BY revision",
            created.key.key_id,
        )
    assert [tuple(change) for change in changes] == [
        ("KEY_CREATED", created.revision),
        ("KEY_REVOKED", revoked[0].revision),
    ]


async def test_an_expired_key_can_still_be_revoked(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await create(shared_client, shared_service)
    await shared_service.execute(
        "UPDATE authsvc.keys SET expire_time = now(), disabled = true"
        f" WHERE key_id = '{created.key.key_id}'"
    )

    revoked = await shared_client.revoke_key(key_id=created.key.key_id)

    assert revoked.key.state is KeyState.REVOKED


async def test_what_does_not_exist_cannot_be_revoked(shared_client: AsyncAuthClient) -> None:
    with pytest.raises(NotFound) as by_id:
        await shared_client.revoke_key(key_id=UNKNOWN_ID)
    with pytest.raises(NotFound) as by_secret:
        await shared_client.revoke_key(secret="orch_" + "0" * 40)

    assert (by_id.value.reason, by_secret.value.reason) == ("KEY_NOT_FOUND", "KEY_NOT_FOUND")


@pytest.mark.parametrize(
    ("request_", "violated"),
    [
        (pb.RevokeKeyRequest(), ["target"]),
        (pb.RevokeKeyRequest(key_id=""), ["key_id"]),
        (pb.RevokeKeyRequest(key_id="nonsense"), ["key_id"]),
        (pb.RevokeKeyRequest(key_id="acct_01h2xcejqtf2nbrexx3vqjhp41"), ["key_id"]),
        (pb.RevokeKeyRequest(secret=""), ["secret"]),
        (pb.RevokeKeyRequest(secret="Bearer orch_" + "0" * 40), ["secret"]),
        (pb.RevokeKeyRequest(secret="orch_" + "0" * 39), ["secret"]),
        (pb.RevokeKeyRequest(key_id=UNKNOWN_ID, reason=99), ["reason"]),  # type: ignore[arg-type] # no value of the enum
        (pb.RevokeKeyRequest(key_id=UNKNOWN_ID, reason=-1), ["reason"]),  # type: ignore[arg-type] # the same
        (pb.RevokeKeyRequest(key_id=UNKNOWN_ID, note="n" * 501), ["note"]),
        (pb.RevokeKeyRequest(key_id=UNKNOWN_ID, note="a\x00"), ["note"]),
        (pb.RevokeKeyRequest(key_id=UNKNOWN_ID, note="a\x1b[31m"), ["note"]),
        (
            pb.RevokeKeyRequest(key_id="x", reason=5, note="\x00" + "n" * 500),  # type: ignore[arg-type] # the same
            ["key_id", "reason", "note", "note"],
        ),
    ],
)
async def test_every_violation_is_named(
    shared_service: Service,
    shared_stubs: Stubs,
    request_: pb.RevokeKeyRequest,
    violated: list[str],
) -> None:
    refusal = await refused(
        shared_stubs.auth.RevokeKey(request_, metadata=bearer(shared_service.admin_key))
    )

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violated_fields == violated


async def test_a_note_of_500_characters_is_taken(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await create(shared_client, shared_service)
    note = "\N{ROBOT FACE}" * 500

    revoked = await shared_client.revoke_key(key_id=created.key.key_id, note=note)

    assert revoked.key.revoke_note == note


async def test_a_malformed_secret_is_refused_without_being_repeated(
    shared_client: AsyncAuthClient,
) -> None:
    with pytest.raises(InvalidArgument) as refused_:
        await shared_client.revoke_key(secret="orch_secretsecret")

    assert "secretsecret" not in f"{refused_.value} {refused_.value.field_violations}"
