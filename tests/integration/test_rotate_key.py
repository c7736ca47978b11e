"""RotateKey, and requests that are safe to repeat."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import denial_pb2, key_pb2
from orchestrator.auth.v1.key_rotation_pb2 import RotateKeyRequest, RotateKeyResponse
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, fresh_name, mint, refusal_of, refused

DAY = 24 * 3600
Response = pb.CreateKeyResponse


@pytest_asyncio.fixture(loop_scope="session")
async def made(shared_service: Service, shared_stubs: Stubs) -> Response:
    """A key of the ordinary account that may do everything."""
    return await shared_stubs.auth.CreateKey(
        create_request(shared_service), metadata=bearer(shared_service.admin_key)
    )


def create_request(service: Service, request_id: str = "") -> pb.CreateKeyRequest:
    return pb.CreateKeyRequest(
        account_id=service.account.account_id, name=fresh_name(), request_id=request_id
    )


@pytest.mark.parametrize("overlap", [3600, 0])
async def test_the_old_key_goes_on_for_the_overlap_only(
    shared_service: Service, shared_stubs: Stubs, overlap: int
) -> None:
    auth, metadata = shared_stubs.auth, bearer(shared_service.admin_key)
    made = await auth.CreateKey(create_request(shared_service), metadata=metadata)
    question = pb.ValidateCredentialRequest(credential=made.secret)
    await auth.ValidateCredential(question, metadata=metadata)

    rotated = await auth.RotateKey(
        RotateKeyRequest(key_id=made.key.key_id, overlap=Duration(seconds=overlap)),
        metadata=metadata,
    )

    question.freshness.at_least_revision = rotated.revision
    old = await auth.ValidateCredential(question, metadata=metadata)
    assert rotated.key.supersedes == made.key.key_id
    assert rotated.retired_key.superseded_by == rotated.key.key_id
    if overlap:
        assert old.principal.superseded_by == rotated.key.key_id
        assert old.principal.retire_time == rotated.retired_key.expire_time
    else:
        assert old.denial.message == "API key revoked"
    question.credential = rotated.secret
    assert (await auth.ValidateCredential(question, metadata=metadata)).HasField("principal")


async def test_the_losers_of_twenty_rotations_at_once_are_told_the_successor(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    auth, metadata = shared_stubs.auth, bearer(shared_service.admin_key)
    made = await auth.CreateKey(create_request(shared_service), metadata=metadata)
    request = RotateKeyRequest(key_id=made.key.key_id)

    ends = await asyncio.gather(
        *(auth.RotateKey(request, metadata=metadata) for _ in range(20)), return_exceptions=True
    )

    (won,) = [end for end in ends if isinstance(end, RotateKeyResponse)]
    lost = [refusal_of(end) for end in ends if isinstance(end, grpc.aio.AioRpcError)]
    assert len(lost) == 19
    assert {(each.code, each.reason, each.info.metadata["superseded_by"]) for each in lost} == {
        (grpc.StatusCode.FAILED_PRECONDITION, "KEY_SUPERSEDED", won.key.key_id)
    }


async def test_repeats_at_once_make_one_key_and_tell_one_secret(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    auth, metadata = shared_stubs.auth, bearer(shared_service.admin_key)
    request = create_request(shared_service, str(uuid.uuid4()))

    made = await asyncio.gather(*(auth.CreateKey(request, metadata=metadata) for _ in range(2)))

    assert made[0] == made[1]
    request.name = fresh_name()
    refusal = await refused(auth.CreateKey(request, metadata=metadata))
    assert refusal.reason == "REQUEST_ID_REUSED"


async def test_a_retired_key_is_denied_from_its_retire_time_on(
    shared_service: Service, shared_stubs: Stubs, made: Response
) -> None:
    auth, metadata = shared_stubs.auth, bearer(shared_service.admin_key)
    rotated = await auth.RotateKey(
        RotateKeyRequest(key_id=made.key.key_id, overlap=Duration(seconds=3)), metadata=metadata
    )
    question = pb.ValidateCredentialRequest(credential=made.secret)
    question.freshness.at_least_revision = rotated.revision

    before = (await auth.ValidateCredential(question, metadata=metadata)).principal
    retire_time = before.retire_time.ToDatetime(UTC)
    await asyncio.sleep((retire_time - datetime.now(UTC)).total_seconds() + 0.05)
    after = await auth.ValidateCredential(question, metadata=metadata)

    assert before.superseded_by == rotated.key.key_id
    assert before.retire_time == rotated.retired_key.expire_time
    assert retire_time - rotated.key.create_time.ToDatetime(UTC) == timedelta(seconds=3)
    assert after.denial.reason == denial_pb2.DENIAL_REASON_KEY_EXPIRED


async def test_a_key_is_retired_after_a_day_unless_it_is_said(
    shared_service: Service, shared_stubs: Stubs, made: Response
) -> None:
    rotated = await shared_stubs.auth.RotateKey(
        RotateKeyRequest(key_id=made.key.key_id), metadata=bearer(shared_service.admin_key)
    )

    overlap = rotated.retired_key.expire_time.ToDatetime() - rotated.key.create_time.ToDatetime()
    assert overlap == timedelta(days=1)


async def test_without_an_overlap_the_old_key_is_revoked_as_superseded(
    shared_service: Service, shared_stubs: Stubs, made: Response
) -> None:
    rotated = await shared_stubs.auth.RotateKey(
        RotateKeyRequest(key_id=made.key.key_id, overlap=Duration()),
        metadata=bearer(shared_service.admin_key),
    )

    old = rotated.retired_key
    assert old.state == key_pb2.KEY_STATE_REVOKED
    assert old.revoke_reason == key_pb2.REVOCATION_REASON_SUPERSEDED
    assert old.revoke_time == rotated.key.create_time


async def test_a_successor_is_rotated_in_its_turn(
    shared_service: Service, shared_stubs: Stubs, made: Response
) -> None:
    auth, metadata = shared_stubs.auth, bearer(shared_service.admin_key)
    second = await auth.RotateKey(RotateKeyRequest(key_id=made.key.key_id), metadata=metadata)

    third = await auth.RotateKey(RotateKeyRequest(key_id=second.key.key_id), metadata=metadata)

    assert third.key.supersedes == third.retired_key.key_id == second.key.key_id
    assert third.retired_key.supersedes == made.key.key_id
    assert (third.key.name, third.key.scopes) == (made.key.name, made.key.scopes)
    assert third.revision > second.revision > made.revision


async def test_a_key_rotates_itself(
    shared_service: Service, shared_stubs: Stubs, made: Response
) -> None:
    assert shared_service
    request = RotateKeyRequest(key_id=made.key.key_id)

    rotated = await shared_stubs.auth.RotateKey(request, metadata=bearer(made.secret))

    assert rotated.key.supersedes == made.key.key_id


@pytest.mark.parametrize("caller", ["key", "token"])
async def test_a_caller_rotates_no_key_that_is_wider_than_itself(
    shared_service: Service, shared_stubs: Stubs, made: Response, caller: str
) -> None:
    scopes = ["keys:*", "sessions:read"]
    narrow = (
        await mint(shared_service, scopes=scopes)
        if caller == "token"
        else await shared_service.create_key(*scopes)
    )
    request = RotateKeyRequest(key_id=made.key.key_id)

    refusal = await refused(shared_stubs.auth.RotateKey(request, metadata=bearer(narrow)))

    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "SCOPE_NOT_GRANTABLE",
    )
    # Nothing happened: it can still be rotated by who may.
    admin = bearer(shared_service.admin_key)
    assert await shared_stubs.auth.RotateKey(request, metadata=admin)


async def test_a_key_without_the_right_to_manage_keys_rotates_not_even_itself(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    auth = shared_stubs.auth
    request = create_request(shared_service)
    request.scopes.append("sessions:read")
    narrow = await auth.CreateKey(request, metadata=bearer(shared_service.admin_key))

    refusal = await refused(
        auth.RotateKey(RotateKeyRequest(key_id=narrow.key.key_id), metadata=bearer(narrow.secret))
    )

    assert refusal.reason == "CALLER_NOT_PERMITTED"


@pytest.mark.parametrize("whose", ["another account's", "the system's", "nobody's"])
async def test_a_key_out_of_reach_reads_as_not_found(
    shared_service: Service, shared_stubs: Stubs, made: Response, whose: str
) -> None:
    auth = shared_stubs.auth
    other = await shared_service.create_account()
    key_id, caller = made.key.key_id, await shared_service.create_key("*", account=other)
    if whose == "nobody's":
        key_id = "key_01h2xcejqtf2nbrexx3vqjhp41"
    elif whose == "the system's":
        system = shared_service.system
        question = pb.ValidateCredentialRequest(credential=shared_service.admin_key)
        admin = await auth.ValidateCredential(question, metadata=bearer(shared_service.admin_key))
        key_id = admin.principal.key_id
        caller = await shared_service.create_key("authsvc:keys", account=system)

    refusal = await refused(
        auth.RotateKey(RotateKeyRequest(key_id=key_id), metadata=bearer(caller))
    )

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "KEY_NOT_FOUND")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("revoke_time = now()", "KEY_REVOKED"),
        ("expire_time = now() - interval '1 second'", "KEY_ENDED"),
        ("disabled = true", "KEY_ENDED"),
    ],
)
async def test_a_key_that_has_ended_is_not_rotated(
    shared_service: Service, shared_stubs: Stubs, made: Response, change: str, reason: str
) -> None:
    key_id = made.key.key_id
    await shared_service.execute(f"UPDATE authsvc.keys SET {change} WHERE key_id = '{key_id}'")

    refusal = await refused(
        shared_stubs.auth.RotateKey(
            RotateKeyRequest(key_id=key_id), metadata=bearer(shared_service.admin_key)
        )
    )

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, reason)


async def test_a_key_of_a_disabled_account_is_not_rotated(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    auth, metadata = shared_stubs.auth, bearer(shared_service.admin_key)
    account_id = (await shared_service.create_account()).account_id
    made = await auth.CreateKey(
        pb.CreateKeyRequest(account_id=account_id, name=fresh_name()), metadata=metadata
    )
    await shared_service.execute(
        f"UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = '{account_id}'"
    )

    refusal = await refused(
        auth.RotateKey(RotateKeyRequest(key_id=made.key.key_id), metadata=metadata)
    )

    assert refusal.reason == "ACCOUNT_DISABLED"


@pytest.mark.parametrize("overlap", [Duration(nanos=1000), Duration(seconds=30 * DAY)])
async def test_an_overlap_at_its_bounds_is_taken(
    shared_service: Service, shared_stubs: Stubs, made: Response, overlap: Duration
) -> None:
    rotated = await shared_stubs.auth.RotateKey(
        RotateKeyRequest(key_id=made.key.key_id, overlap=overlap),
        metadata=bearer(shared_service.admin_key),
    )

    assert not rotated.retired_key.HasField("revoke_time")
    end = rotated.key.create_time.ToDatetime() + overlap.ToTimedelta()
    assert rotated.retired_key.expire_time.ToDatetime() == end


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (RotateKeyRequest(overlap=Duration(nanos=-1)), "overlap"),
        (RotateKeyRequest(overlap=Duration(seconds=30 * DAY, nanos=1000)), "overlap"),
        (RotateKeyRequest(ttl=Duration()), "ttl"),
        (RotateKeyRequest(ttl=Duration(seconds=3661 * DAY)), "ttl"),
        (RotateKeyRequest(expire_time=Timestamp(seconds=1)), "expire_time"),
        (RotateKeyRequest(request_id="1"), "request_id"),
        (RotateKeyRequest(request_id=str(uuid.UUID(int=0))), "request_id"),
        (RotateKeyRequest(key_id="acct_01h2xcejqtf2nbrexx3vqjhp41"), "key_id"),
    ],
)
async def test_what_is_out_of_bounds_is_told(
    shared_service: Service, shared_stubs: Stubs, request_: RotateKeyRequest, field: str
) -> None:
    request_.key_id = request_.key_id or "key_01h2xcejqtf2nbrexx3vqjhp41"

    refusal = await refused(
        shared_stubs.auth.RotateKey(request_, metadata=bearer(shared_service.admin_key))
    )

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violated_fields == [field]
