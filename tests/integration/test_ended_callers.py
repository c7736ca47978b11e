"""A caller that is ended while its call waits for its turn to write changes nothing any more."""

from __future__ import annotations

import asyncio
from typing import Final

import grpc
import pytest
from google.protobuf.message import Message

from authsvc.domain.key_secrets import digest_of
from authsvc.domain.users import UserRole
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import key_management_pb2 as key_pb
from orchestrator.auth.v1 import session_management_pb2 as session_pb
from orchestrator.auth.v1.key_pb2 import Key
from tests.conftest import Service
from tests.integration.support import (
    WRITERS_LOCKED,
    Refusal,
    Stubs,
    bearer,
    connected,
    fresh_name,
    locked,
    mint,
    refused,
    stubs_of,
    until_waiting,
    url_of,
)
from tests.integration.support_sessions import a_person, login_of
from tests.integration.test_callers import METHODS, OPEN, REQUESTS, call

READS: Final = ("Get", "List", "Validate", "BatchValidate", "Watch", "Explain")
CHANGES: Final = [name for name in METHODS if name not in OPEN and not name.startswith(READS)]


async def key_id_of(service: Service, secret: str) -> str:
    async with connected(url_of(service)) as connection:
        return str(
            await connection.fetchval(
                "SELECT key_id FROM authsvc.keys WHERE digest = $1", digest_of(secret)
            )
        )


async def done_by(service: Service, actor_id: str) -> list[str]:
    """Return what an actor has done, as the audit log tells it."""
    async with connected(url_of(service)) as connection:
        rows = await connection.fetch(
            "SELECT action FROM authsvc.audit_events WHERE actor_id = $1 AND outcome = 'OK'",
            actor_id,
        )
    return [row["action"] for row in rows]


async def ended_while_it_waits(
    service: Service, name: str, request: Message, *, credential: str, end: str
) -> Refusal:
    """Run a statement that ends the caller while its call waits for the writers' lock."""
    async with stubs_of(service.address) as stubs:
        async with locked(service, WRITERS_LOCKED) as connection:
            waiting = asyncio.ensure_future(call(stubs.channel, name, request, bearer(credential)))
            await until_waiting(connection, 1)
            assert await connection.execute(end) == "UPDATE 1"
        return await refused(waiting)


@pytest.mark.parametrize("name", CHANGES)
async def test_no_change_is_made_by_a_key_that_was_revoked_meanwhile(
    shared_service: Service, name: str
) -> None:
    request = await REQUESTS[name](shared_service)
    secret = await shared_service.create_key("authsvc:admin", account=shared_service.system)
    key_id = await key_id_of(shared_service, secret)

    refusal = await ended_while_it_waits(
        shared_service,
        name,
        request,
        credential=secret,
        end=f"UPDATE authsvc.keys SET revoke_time = now() WHERE key_id = '{key_id}'",
    )

    assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
    assert refusal.info.metadata["denial_reason"] == "DENIAL_REASON_KEY_REVOKED"
    assert await done_by(shared_service, key_id) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("disabled = true", "CALLER_CREDENTIAL_INVALID"),
        ("scopes = '{sessions:read}'", "CALLER_NOT_PERMITTED"),
    ],
)
async def test_no_change_is_made_by_a_key_that_was_disabled_or_narrowed_meanwhile(
    shared_service: Service, change: str, reason: str
) -> None:
    secret = await shared_service.create_key("*")
    key_id = await key_id_of(shared_service, secret)

    refusal = await ended_while_it_waits(
        shared_service,
        "UpdateKey",
        key_pb.UpdateKeyRequest(key=Key(key_id=key_id, name=fresh_name())),
        credential=secret,
        end=f"UPDATE authsvc.keys SET {change} WHERE key_id = '{key_id}'",
    )

    assert refusal.reason == reason
    assert await done_by(shared_service, key_id) == []


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("users SET disabled = true WHERE user_id = '{user}'", "CALLER_CREDENTIAL_INVALID"),
        ("users SET role = 'MEMBER' WHERE user_id = '{user}'", "CALLER_NOT_PERMITTED"),
        (
            "sessions SET end_time = now(), end_reason = 'REVOKED' WHERE session_id = '{session}'",
            "CALLER_CREDENTIAL_INVALID",
        ),
        (
            "accounts SET state = 'DISABLED' WHERE account_id = '{account}'",
            "CALLER_CREDENTIAL_INVALID",
        ),
    ],
)
async def test_no_change_is_made_by_a_person_who_lost_the_right_meanwhile(
    shared_service: Service, shared_stubs: Stubs, end: str, reason: str
) -> None:
    account = await shared_service.create_account()
    owner = await a_person(shared_service, UserRole.OWNER, account=account)
    granted = await shared_stubs.sessions.CreateSession(login_of(owner))
    before = await done_by(shared_service, owner.user_id)
    named = {
        "user": owner.user_id,
        "session": granted.session.session_id,
        "account": account.account_id,
    }

    refusal = await ended_while_it_waits(
        shared_service,
        "CreateKey",
        pb.CreateKeyRequest(name=fresh_name()),
        credential=granted.access_token,
        end="UPDATE authsvc." + end.format(**named),
    )

    assert refusal.reason == reason
    assert await done_by(shared_service, owner.user_id) == before


async def test_what_has_nothing_to_do_with_a_callers_rights_keeps_no_call_from_its_change(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    secret = await shared_service.create_key("keys:*")
    key_id = await key_id_of(shared_service, secret)
    request = pb.CreateKeyRequest(name=fresh_name(), scopes=["keys:*"])

    async with locked(shared_service, WRITERS_LOCKED) as connection:
        waiting = asyncio.ensure_future(
            shared_stubs.auth.CreateKey(request, metadata=bearer(secret))
        )
        await until_waiting(connection, 1)
        await connection.execute(
            "UPDATE authsvc.keys SET name = 'renamed', scopes = '{*}' WHERE key_id = $1", key_id
        )

    assert (await waiting).key.name == request.name


async def test_who_may_end_its_own_credential_still_may(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    secret = await shared_service.create_key("sessions:read")
    granted = await shared_stubs.sessions.CreateSession(login_of(await a_person(shared_service)))
    foreigner = await mint(shared_service, user_id="user_1")

    revoked = await shared_stubs.auth.RevokeKey(
        pb.RevokeKeyRequest(secret=secret), metadata=bearer(secret)
    )
    logged_out = await shared_stubs.sessions.RevokeSession(
        session_pb.RevokeSessionRequest(), metadata=bearer(granted.access_token)
    )
    # One whom no row is kept of.
    created = await shared_stubs.auth.CreateKey(
        pb.CreateKeyRequest(name=fresh_name()), metadata=bearer(foreigner)
    )

    assert revoked.key.HasField("revoke_time")
    assert logged_out.session.HasField("end_time")
    assert created.secret
