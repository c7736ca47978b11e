"""CreateKey and RotateKey with a request id: a lost answer is given again, to its caller."""

from __future__ import annotations

import asyncio
import hashlib
import io
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import asyncpg
import grpc
import pytest
import structlog
from google.protobuf.duration_pb2 import Duration

from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import key_pb2
from orchestrator.auth.v1.key_rotation_pb2 import RotateKeyRequest
from tests.conftest import Service
from tests.integration.support import (
    Stubs,
    bearer,
    connected,
    fresh_name,
    mint,
    refused,
    stubs_of,
    until,
    url_of,
)
from tests.integration.support_lost_answers import lossy

T = TypeVar("T")
FOLLOWER = "authsvc.postgres.follower"


def create_request(service: Service, *, scopes: tuple[str, ...] = ()) -> pb.CreateKeyRequest:
    return pb.CreateKeyRequest(
        account_id=service.account.account_id,
        name=fresh_name(),
        scopes=scopes,
        request_id=str(uuid.uuid4()),
    )


async def repeated_after_a_loss(service: Service, send: Callable[[Stubs], Awaitable[T]]) -> T:
    """Lose the answer to a call, and return the answer to its repeat."""
    async with lossy(service.address) as proxy:
        proxy.answers_to_lose = 1
        async with stubs_of(proxy.address) as stubs:
            lost = await refused(send(stubs))
        assert (lost.code, proxy.answers_to_lose) == (grpc.StatusCode.UNAVAILABLE, 0)
        async with stubs_of(proxy.address) as stubs:
            return await send(stubs)


async def fetch(service: Service, query: str, *values: object) -> list[asyncpg.Record]:
    async with connected(url_of(service)) as connection:
        return await connection.fetch(query, *values)


async def end_window(service: Service, key_id: str) -> None:
    """Let the window of an answer lie in the past."""
    await service.execute(
        "UPDATE authsvc.key_requests SET delete_time = now() - interval '1 second'"
        f" WHERE key_id = '{key_id}'"
    )


async def is_good(stubs: Stubs, service: Service, secret: str) -> bool:
    question = pb.ValidateCredentialRequest(credential=secret)
    answer = await stubs.auth.ValidateCredential(question, metadata=bearer(service.admin_key))
    return answer.HasField("principal")


async def test_a_key_whose_answer_was_lost_is_made_once_and_its_secret_is_told(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    request, metadata = create_request(shared_service), bearer(shared_service.admin_key)

    made = await repeated_after_a_loss(
        shared_service, lambda stubs: stubs.auth.CreateKey(request, metadata=metadata)
    )

    assert await is_good(shared_stubs, shared_service, made.secret)
    rows = await fetch(
        shared_service, "SELECT key_id, digest FROM authsvc.keys WHERE name = $1", request.name
    )
    digest = hashlib.sha256(made.secret.encode()).digest()
    assert [tuple(row) for row in rows] == [(made.key.key_id, digest)]


async def test_a_rotation_whose_answer_was_lost_happens_once_and_its_secret_is_told(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    metadata = bearer(shared_service.admin_key)
    made = await shared_stubs.auth.CreateKey(create_request(shared_service), metadata=metadata)
    request = RotateKeyRequest(key_id=made.key.key_id, request_id=str(uuid.uuid4()))

    rotated = await repeated_after_a_loss(
        shared_service, lambda stubs: stubs.auth.RotateKey(request, metadata=metadata)
    )

    rows = await fetch(
        shared_service, "SELECT key_id FROM authsvc.keys WHERE name = $1", made.key.name
    )
    assert {row["key_id"] for row in rows} == {made.key.key_id, rotated.key.key_id}
    assert await is_good(shared_stubs, shared_service, rotated.secret)
    assert await shared_stubs.auth.RotateKey(request, metadata=metadata) == rotated


async def test_rotations_at_once_with_one_request_id_get_one_answer(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    metadata = bearer(shared_service.admin_key)
    made = await shared_stubs.auth.CreateKey(create_request(shared_service), metadata=metadata)
    request = RotateKeyRequest(key_id=made.key.key_id, request_id=str(uuid.uuid4()))

    answers = await asyncio.gather(
        *(shared_stubs.auth.RotateKey(request, metadata=metadata) for _ in range(8))
    )

    assert all(answer == answers[0] for answer in answers)


async def test_a_request_id_in_upper_case_is_the_same(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    request, metadata = create_request(shared_service), bearer(shared_service.admin_key)
    made = await shared_stubs.auth.CreateKey(request, metadata=metadata)
    request.request_id = request.request_id.upper()

    assert await shared_stubs.auth.CreateKey(request, metadata=metadata) == made


async def test_another_caller_with_the_same_request_id_gets_a_key_of_its_own(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    request = create_request(shared_service)
    first = await shared_stubs.auth.CreateKey(request, metadata=bearer(shared_service.admin_key))
    other = bearer(await shared_service.create_key("*"))

    taken = await refused(shared_stubs.auth.CreateKey(request, metadata=other))
    request.name = fresh_name()
    second = await shared_stubs.auth.CreateKey(request, metadata=other)

    assert taken.reason == "KEY_NAME_TAKEN"
    assert first.key.key_id != second.key.key_id
    assert first.secret != second.secret


async def test_a_narrower_token_of_the_same_user_gets_no_wider_secret(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    auth, create = shared_stubs.auth, create_request(shared_service)
    wide = bearer(await mint(shared_service, scopes=["*"]))
    narrow = bearer(await mint(shared_service, scopes=["keys:*", "sessions:read"]))
    made = await auth.CreateKey(create, metadata=wide)
    rotate = RotateKeyRequest(key_id=made.key.key_id, request_id=str(uuid.uuid4()))
    await auth.RotateKey(rotate, metadata=wide)

    refusals = [
        await refused(auth.CreateKey(create, metadata=narrow)),
        await refused(auth.RotateKey(rotate, metadata=narrow)),
    ]

    assert [refusal.reason for refusal in refusals] == ["SCOPE_NOT_GRANTABLE"] * 2


async def test_a_repeat_after_the_revocation_tells_it_with_the_secret(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    request, metadata = create_request(shared_service), bearer(shared_service.admin_key)
    made = await shared_stubs.auth.CreateKey(request, metadata=metadata)
    await shared_stubs.auth.RevokeKey(
        pb.RevokeKeyRequest(key_id=made.key.key_id), metadata=metadata
    )

    again = await shared_stubs.auth.CreateKey(request, metadata=metadata)

    assert again.key.state == key_pb2.KEY_STATE_REVOKED
    assert (again.key.key_id, again.secret, again.revision) == (
        made.key.key_id,
        made.secret,
        made.revision,
    )


async def test_a_creation_past_the_window_is_a_new_request(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    request, metadata = create_request(shared_service), bearer(shared_service.admin_key)
    made = await shared_stubs.auth.CreateKey(request, metadata=metadata)
    await end_window(shared_service, made.key.key_id)

    refusal = await refused(shared_stubs.auth.CreateKey(request, metadata=metadata))
    request.name = fresh_name()
    second = await shared_stubs.auth.CreateKey(request, metadata=metadata)

    assert refusal.reason == "KEY_NAME_TAKEN"
    assert second.secret != made.secret
    assert await shared_stubs.auth.CreateKey(request, metadata=metadata) == second


async def test_a_rotation_past_the_window_is_a_new_request(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    metadata = bearer(shared_service.admin_key)
    made = await shared_stubs.auth.CreateKey(create_request(shared_service), metadata=metadata)
    request = RotateKeyRequest(key_id=made.key.key_id, request_id=str(uuid.uuid4()))
    rotated = await shared_stubs.auth.RotateKey(request, metadata=metadata)
    await end_window(shared_service, rotated.key.key_id)

    refusal = await refused(shared_stubs.auth.RotateKey(request, metadata=metadata))

    assert refusal.reason == "KEY_SUPERSEDED"


async def test_a_rotation_with_other_arguments_is_no_repeat(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    metadata = bearer(shared_service.admin_key)
    made = await shared_stubs.auth.CreateKey(create_request(shared_service), metadata=metadata)
    request = RotateKeyRequest(key_id=made.key.key_id, request_id=str(uuid.uuid4()))
    await shared_stubs.auth.RotateKey(request, metadata=metadata)
    request.overlap.CopyFrom(Duration(seconds=1))

    refusal = await refused(shared_stubs.auth.RotateKey(request, metadata=metadata))

    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "REQUEST_ID_REUSED",
    )


async def test_a_repeat_is_answered_though_its_expire_time_has_passed_since(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    metadata = bearer(shared_service.admin_key)
    old = await shared_stubs.auth.CreateKey(create_request(shared_service), metadata=metadata)
    create = create_request(shared_service)
    rotate = RotateKeyRequest(key_id=old.key.key_id, request_id=str(uuid.uuid4()))
    end = datetime.now(UTC) + timedelta(seconds=2)
    create.expire_time.FromDatetime(end)
    rotate.expire_time.FromDatetime(end)
    made = await shared_stubs.auth.CreateKey(create, metadata=metadata)
    rotated = await shared_stubs.auth.RotateKey(rotate, metadata=metadata)

    await asyncio.sleep((end - datetime.now(UTC)).total_seconds() + 0.05)
    made_again = await shared_stubs.auth.CreateKey(create, metadata=metadata)
    rotated_again = await shared_stubs.auth.RotateKey(rotate, metadata=metadata)

    assert made_again.key.state == rotated_again.key.state == key_pb2.KEY_STATE_EXPIRED
    assert (made_again.secret, rotated_again.secret) == (made.secret, rotated.secret)
    create.request_id = rotate.request_id = str(uuid.uuid4())
    for call in (
        shared_stubs.auth.CreateKey(create, metadata=metadata),
        shared_stubs.auth.RotateKey(rotate, metadata=metadata),
    ):
        assert (await refused(call)).violated_fields == ["expire_time"]


async def test_the_row_tells_neither_request_id_nor_secret(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    request, metadata = create_request(shared_service), bearer(shared_service.admin_key)
    made = await shared_stubs.auth.CreateKey(request, metadata=metadata)

    (row,) = await fetch(
        shared_service, "SELECT * FROM authsvc.key_requests WHERE key_id = $1", made.key.key_id
    )

    request_id = uuid.UUID(request.request_id)
    held = b"\0".join(
        value if isinstance(value, bytes) else str(value).encode() for value in row.values()
    )
    for secret in (made.secret.encode(), request.request_id.encode(), request_id.bytes):
        for form in (secret, secret.hex().encode(), hashlib.sha256(secret).digest()):
            assert form not in held
    random_part = made.secret.removeprefix("orch_")
    assert random_part.encode() not in held
    assert bytes.fromhex(random_part) not in held
    assert request_id.hex.encode() not in held


async def test_rows_past_their_window_are_pruned_and_no_others(
    shared_service: Service, shared_stubs: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = bearer(shared_service.admin_key)
    old, young = [
        await shared_stubs.auth.CreateKey(create_request(shared_service), metadata=metadata)
        for _ in range(2)
    ]
    await end_window(shared_service, old.key.key_id)
    monkeypatch.setattr(f"{FOLLOWER}._PRUNE_INTERVAL_SECONDS", 0.0)

    async def is_pruned() -> bool:
        rows = await fetch(shared_service, "SELECT key_id FROM authsvc.key_requests")
        kept = {row["key_id"] for row in rows}
        assert young.key.key_id in kept
        return old.key.key_id not in kept

    await until(is_pruned)
    assert await is_good(shared_stubs, shared_service, old.secret)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """All that the server logs, without the redaction that would hide a slip."""
    text = io.StringIO()
    structlog.configure(
        processors=[
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(default=repr),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=text),
    )
    yield text
    structlog.reset_defaults()


async def test_the_log_tells_neither_request_id_nor_secret(
    shared_service: Service,
    shared_stubs: Stubs,
    written: io.StringIO,
    caplog: pytest.LogCaptureFixture,
) -> None:
    metadata = bearer(shared_service.admin_key)
    create = create_request(shared_service)
    made = await shared_stubs.auth.CreateKey(create, metadata=metadata)
    rotate = RotateKeyRequest(key_id=made.key.key_id, request_id=str(uuid.uuid4()))
    rotated = await shared_stubs.auth.RotateKey(rotate, metadata=metadata)
    await shared_stubs.auth.RotateKey(rotate, metadata=metadata)
    reasons = []

    # Refusals are logged, and a fault of the server with its traceback.
    rotate.overlap.CopyFrom(Duration(seconds=1))
    reasons.append((await refused(shared_stubs.auth.RotateKey(rotate, metadata=metadata))).reason)
    await break_seal(shared_service, made.key.key_id)
    reasons.append((await refused(shared_stubs.auth.CreateKey(create, metadata=metadata))).reason)
    create.request_id += "x"
    reasons.append((await refused(shared_stubs.auth.CreateKey(create, metadata=metadata))).reason)

    assert reasons == ["REQUEST_ID_REUSED", "INTERNAL", "INVALID_REQUEST"]
    log = written.getvalue() + caplog.text
    assert log.count("call failed") == len(reasons)
    assert "SealBroken" in log
    for secret in (made.secret, rotated.secret, create.request_id[:36], rotate.request_id):
        assert secret not in log
        assert secret.replace("-", "") not in log


async def break_seal(service: Service, key_id: str) -> None:
    """Alter what is kept of an answer."""
    await service.execute(
        "UPDATE authsvc.key_requests SET sealed_secret = sealed_secret || '\\x00'::bytea"
        f" WHERE key_id = '{key_id}'"
    )
