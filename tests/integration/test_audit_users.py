"""Users in the audit log: every change of one, and never a password or its hash."""

from __future__ import annotations

from authsvc import app
from orchestrator.auth import AuditTarget, TargetKind, UserRole
from tests.conftest import Service
from tests.integration.support import fresh_name
from tests.integration.support_audit import events_of


async def test_a_user_is_told_without_its_password(shared_service: Service) -> None:
    async with shared_service.client() as client:
        created = await client.create_user(
            f"{fresh_name().replace(' ', '-')}@example.com",
            display_name="Ada",
            role=UserRole.VIEWER,
            account_id=shared_service.account.account_id,
            password="correct horse battery",
        )
        user = created.user
        await client.update_user(user.user_id, role=UserRole.MEMBER, disabled=True)
        await client.set_user_password(user.user_id, "staple battery horse")

    new, role, password = await events_of(shared_service, target_id=user.user_id)

    assert {event.target for event in (new, role, password)} == {
        AuditTarget(TargetKind.USER, user.user_id)
    }
    assert {event.account_id for event in (new, role, password)} == {user.account_id}
    assert new.after is not None
    assert set(new.after) == {
        "user_id",
        "account_id",
        "email",
        "display_name",
        "role",
        "disabled",
        "password_change_time",
        "create_time",
    }
    assert role.before == {"role": "VIEWER", "disabled": False}
    assert role.after == {"role": "MEMBER", "disabled": True}
    assert set(password.before or ()) == set(password.after or ()) == {"password_change_time"}


async def test_a_password_that_is_hashed_anew_is_no_event(shared_service: Service) -> None:
    user = await shared_service.create_user(password="correct horse battery")
    users, soon = shared_service.parts.users, app.time_limit()
    hashed = await users.find_password_hash(user.user_id, soon)
    assert hashed is not None

    await users.rehash_password(user.user_id, hashed, "another hash", soon)

    assert await users.find_password_hash(user.user_id, soon) == "another hash"
    assert len(await events_of(shared_service, target_id=user.user_id)) == 1
    assert await users.find_user(user.user_id, soon) == user
