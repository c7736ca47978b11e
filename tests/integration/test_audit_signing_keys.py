"""Signing keys in the audit log: who rotated them, sealed them anew, or was the service itself."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Final

from pydantic import SecretStr

from authsvc import app
from authsvc.config import Settings
from authsvc.domain.signing_keys import KEPT_AFTER_RETIREMENT, LONGEST_TOKEN_LIFE
from orchestrator.auth import (
    ActorKind,
    AuditActor,
    AuditEvent,
    AuditTarget,
    SigningKeyRotationUrgency,
    TargetKind,
)
from tests.conftest import ORIGIN, Service, serving
from tests.integration.support import connected, url_of
from tests.integration.support_audit import SERVICES, events_of

ROTATE: Final = f"{SERVICES}.SessionService/RotateSigningKey"
BY_ITSELF: Final = AuditActor(ActorKind.SERVICE, "", "")
OTHER_KEY: Final = SecretStr(base64.b64encode(bytes(range(32, 64))).decode())
HIDDEN: Final = {"sealed_private_key": "(hidden)"}


async def kids_in(service: Service) -> list[str]:
    async with connected(url_of(service)) as connection:
        rows = await connection.fetch("SELECT kid FROM authsvc.signing_keys ORDER BY activate_time")
    return [row["kid"] for row in rows]


async def age(service: Service, kid: str, by: timedelta) -> None:
    """Move the times of a key into the past."""
    await service.execute(
        f"UPDATE authsvc.signing_keys SET create_time = create_time - interval '{by}',"
        f" activate_time = activate_time - interval '{by}' WHERE kid = '{kid}'"
    )


async def events_of_key(service: Service, kid: str) -> list[AuditEvent]:
    """Return what the log has of a signing key, but for what a test did to it by hand."""
    events = await events_of(service, target_id=kid)
    return [event for event in events if event.actor.kind is not ActorKind.DATABASE]


async def admin_of(service: Service) -> AuditActor:
    async with service.client() as client:
        key_id = (await client.validate(service.admin_key)).key_id
    assert key_id is not None
    return AuditActor(ActorKind.KEY, key_id, service.system.account_id)


async def test_a_rotation_is_told_with_who_asked_for_it(service: Service) -> None:
    async with service.client() as client:
        rotated = await client.rotate_signing_key()

    (event,) = await events_of(service, target_id=rotated.key.kid)

    assert (event.action, event.actor) == (ROTATE, await admin_of(service))
    assert event.target == AuditTarget(TargetKind.SIGNING_KEY, rotated.key.kid)
    assert (event.address, event.account_id) == ("127.0.0.1", service.system.account_id)
    assert event.request_id
    assert event.before is None
    assert event.after is not None
    assert set(event.after) == {"kid", "algorithm", "public_key", "create_time", "activate_time"}


async def test_a_rotation_while_the_next_key_waits_is_told_as_no_change(service: Service) -> None:
    async with service.client() as client:
        rotated = await client.rotate_signing_key()
        await client.rotate_signing_key()

    first, again = await events_of(service, target_id=rotated.key.kid)

    assert (again.action, again.actor, again.account_id) == (
        first.action,
        first.actor,
        first.account_id,
    )
    assert (again.before, again.after, again.outcome) == (None, None, "OK")
    assert again.request_id != first.request_id


async def test_a_compromise_is_told_of_every_key_that_it_ended(service: Service) -> None:
    (old,) = await kids_in(service)
    async with service.client() as client:
        rotated = await client.rotate_signing_key(SigningKeyRotationUrgency.COMPROMISED)

    gone = (await events_of(service, target_id=old))[-1]
    (new,) = await events_of(service, target_id=rotated.key.kid)

    assert (gone.action, gone.actor) == (new.action, new.actor) == (ROTATE, await admin_of(service))
    assert gone.request_id == new.request_id
    assert gone.after is None
    assert gone.before is not None
    assert "sealed_private_key" not in gone.before


async def test_what_the_schedule_does_is_told_of_the_service_itself(
    service: Service, settings: Settings
) -> None:
    (old,) = await kids_in(service)
    retired = LONGEST_TOKEN_LIFE + settings.leeway + KEPT_AFTER_RETIREMENT
    await age(service, old, timedelta(days=40))
    async with app.open_parts(settings) as parts:
        looking = parts.signing.keep_rotating

        # One is due, then none, then the old one has been retired for long enough
        await looking.look_once(app.time_limit())
        await looking.look_once(app.time_limit())
        (new,) = set(await kids_in(service)) - {old}
        await age(service, new, retired + timedelta(hours=1))
        await looking.look_once(app.time_limit())

    (published,) = await events_of_key(service, new)
    *_, deleted = await events_of_key(service, old)
    assert (published.actor, published.action) == (BY_ITSELF, "schedule/PublishNextSigningKey")
    assert (deleted.actor, deleted.action) == (BY_ITSELF, "schedule/DeleteRetiredSigningKeys")
    assert (published.outcome, published.request_id, published.address) == ("OK", "", "")
    assert deleted.after is None


async def test_a_key_that_is_sealed_anew_is_told_of_its_operator_and_hidden(
    settings: Settings,
) -> None:
    async with serving(settings) as service:
        (kid,) = await kids_in(service)
    other = settings.model_copy(
        update={"encryption_key": OTHER_KEY, "encryption_key_previous": settings.encryption_key}
    )
    async with app.open_parts(other) as parts:
        await parts.signing.reencrypt(ORIGIN, app.time_limit())
        # The second one changes nothing, and tells nothing
        await parts.signing.reencrypt(ORIGIN, app.time_limit())

    async with serving(other) as service:
        _made, resealed = await events_of(service, target_id=kid)

    assert (resealed.actor.kind, resealed.action) == (ActorKind.OPERATOR, ORIGIN.action)
    assert (resealed.before, resealed.after) == (HIDDEN, HIDDEN)
