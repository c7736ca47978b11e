"""Signing keys that rotate: several replicas, tokens in flight, a compromise."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from datetime import timedelta

import grpc
import pytest

from authsvc import app
from authsvc.config import Settings
from authsvc.domain.signing_keys import LONGEST_TOKEN_LIFE, SigningAlgorithm
from orchestrator.auth import (
    AsyncAuthClient,
    PermissionDenied,
    SigningKeyRotationUrgency,
    SigningKeyState,
)
from orchestrator.auth.v1.session_service_pb2_grpc import SessionServiceStub
from orchestrator.auth.v1.signing_key_pb2 import RotateSigningKeyRequest
from tests.conftest import ORIGIN, Service, serving
from tests.integration.support import Stubs, bearer, connected, mint, refused, until, url_of
from tests.integration.support_http import FREE_ADDRESS, kids_at

SCHEDULED, COMPROMISED = (
    SigningKeyRotationUrgency.SCHEDULED,
    SigningKeyRotationUrgency.COMPROMISED,
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A server that serves HTTP."""
    return settings.model_copy(update={"http_address": FREE_ADDRESS})


def kid_of(token: str) -> str:
    return str(json.loads(urlsafe_b64decode(token.partition(".")[0] + "==="))["kid"])


async def reason_of(client: AsyncAuthClient, token: str) -> str:
    """Return why a token is refused, or nothing when it is good."""
    verdict = await client.check(token)
    return verdict.denial.reason if verdict.denial else ""


async def kids_in(service: Service) -> list[str]:
    async with connected(url_of(service)) as connection:
        rows = await connection.fetch("SELECT kid FROM authsvc.signing_keys ORDER BY activate_time")
    return [row["kid"] for row in rows]


async def shift(service: Service, kid: str, back: timedelta) -> None:
    """Move the times of a key into the past."""
    await service.execute(
        f"UPDATE authsvc.signing_keys SET create_time = create_time - interval '{back}',"
        f" activate_time = activate_time - interval '{back}' WHERE kid = '{kid}'"
    )


async def test_a_rotation_goes_unnoticed(settings: Settings) -> None:
    quick = settings.model_copy(update={"signing_key_lead": 0.5})
    async with serving(quick) as service, service.client() as client:
        old = await mint(service)

        rotated = await client.rotate_signing_key()

        # The new key is published, and the old one goes on for the lead
        assert rotated.key.state is SigningKeyState.PUBLISHED
        assert rotated.key.activate_time - rotated.key.create_time == timedelta(seconds=0.5)
        assert await kids_at(service.http_address) == [kid_of(old), rotated.key.kid]

        async def has_taken_over() -> bool:
            token = await mint(service)
            assert await reason_of(client, token) == ""
            return kid_of(token) == rotated.key.kid

        assert not await has_taken_over()
        await until(has_taken_over)
        assert await reason_of(client, old) == ""


async def test_a_repeat_while_a_key_waits_makes_no_other(
    service: Service, client: AsyncAuthClient
) -> None:
    first = await client.rotate_signing_key()

    assert (await client.rotate_signing_key()).key.kid == first.key.kid
    assert len(await kids_in(service)) == 2


async def test_rotations_at_once_make_one_key(settings: Settings) -> None:
    async with serving(settings) as service, serving(settings) as other:
        async with service.client() as client, other.client() as other_client:
            rotated = await asyncio.gather(
                *(each.rotate_signing_key() for each in [client, other_client] * 8)
            )

        assert len({one.key.kid for one in rotated}) == 1
        assert len(await kids_in(service)) == 2


async def test_replicas_that_find_a_key_due_at_once_make_one(
    service: Service, settings: Settings
) -> None:
    (old,) = await kids_in(service)
    await shift(service, old, timedelta(days=40))

    async with app.open_parts(settings) as one, app.open_parts(settings) as two:
        await asyncio.gather(
            *(
                parts.signing.keep_rotating.look_once(app.time_limit())
                for parts in [service.parts, one, two] * 3
            )
        )

    kids = await kids_in(service)
    assert (len(kids), kids[0]) == (2, old)


async def test_a_server_rotates_by_itself(settings: Settings) -> None:
    async with app.open_parts(settings) as parts:
        await parts.bootstrap.prepare(ORIGIN, app.time_limit())
        (old,) = await parts.signing.store.list_signing_keys(app.time_limit())
        await parts.database.run(
            lambda connection: connection.execute(
                "UPDATE authsvc.signing_keys SET activate_time = now() - interval '31 days'"
            ),
            app.time_limit(),
        )
    async with serving(settings) as service:

        async def is_published() -> bool:
            return len(await kids_in(service)) == 2

        await until(is_published)
        assert kid_of(await mint(service)) == old.kid


@pytest.mark.parametrize("lifetime", [0, 60])
async def test_a_server_that_is_not_to_rotate_does_not(settings: Settings, lifetime: int) -> None:
    patient = settings.model_copy(update={"signing_key_lifetime": lifetime})
    async with serving(patient) as service:
        (old,) = await kids_in(service)
        await shift(service, old, timedelta(days=40))

        await service.parts.signing.keep_rotating.look_once(app.time_limit())

        assert await kids_in(service) == [old]


async def test_a_token_of_a_retired_key_is_invalid(settings: Settings) -> None:
    quick = settings.model_copy(update={"max_staleness": 0.3, "signing_key_lead": 0.0})
    async with serving(quick) as service, service.client() as client:
        old = await mint(service, ttl=timedelta(days=1))
        rotated = await client.rotate_signing_key()
        assert rotated.key.state is SigningKeyState.SIGNING

        # One minute before the old key retires
        await shift(service, kid_of(old), timedelta(days=1))
        life = LONGEST_TOKEN_LIFE + settings.leeway
        await shift(service, rotated.key.kid, life - timedelta(minutes=1))
        verdict = await client.check(old, authoritative=True)
        assert verdict.denial is None

        # And after it
        await shift(service, rotated.key.kid, timedelta(minutes=1))

        async def is_invalid() -> bool:
            return await reason_of(client, old) == "TOKEN_INVALID"

        await until(is_invalid)
        assert await kids_at(service.http_address) == [rotated.key.kid]
        assert kid_of(old) in await kids_in(service)


async def test_after_a_compromise_no_token_of_any_other_key_is_good(settings: Settings) -> None:
    # Given two replicas, and tokens of two algorithms that both have in memory
    quick = settings.model_copy(update={"max_staleness": 0.5})
    eddsa = quick.model_copy(update={"token_algorithm": SigningAlgorithm.EDDSA})
    async with (
        serving(quick) as service,
        serving(eddsa) as other,
        service.client() as client,
        other.client() as other_client,
    ):
        old = [await mint(service), await mint(other)]

        async def are_good_everywhere() -> bool:
            reasons = {await reason_of(each, one) for each in (client, other_client) for one in old}
            return reasons == {""}

        await until(are_good_everywhere)

        # When a key may be known to others
        rotated = await client.rotate_signing_key(COMPROMISED)

        # Then the new one signs at once, and no other verifies anywhere
        assert rotated.key.state is SigningKeyState.SIGNING
        assert set(rotated.ended_kids) == {kid_of(token) for token in old}
        assert await kids_in(service) == [rotated.key.kid]

        async def all_ended() -> bool:
            reasons = {
                await reason_of(each, token) for each in (client, other_client) for token in old
            }
            assert reasons <= {"", "TOKEN_INVALID"}
            return reasons == {"TOKEN_INVALID"}

        await until(all_ended)
        new = await mint(service)
        assert kid_of(new) == rotated.key.kid

        async def is_good_everywhere() -> bool:
            return [await reason_of(each, new) for each in (client, other_client)] == ["", ""]

        await until(is_good_everywhere)
        assert await kids_at(other.http_address) == [rotated.key.kid]


async def test_compromises_at_once_leave_one_key(service: Service, client: AsyncAuthClient) -> None:
    rotated = await asyncio.gather(*(client.rotate_signing_key(COMPROMISED) for _ in range(5)))

    assert await kids_in(service) in [[one.key.kid] for one in rotated]


async def test_only_an_admin_may_rotate(service: Service) -> None:
    key = await service.create_key("authsvc:keys", account=service.system)
    async with service.client(key) as client:
        with pytest.raises(PermissionDenied):
            await client.rotate_signing_key(COMPROMISED)

    assert len(await kids_in(service)) == 1


async def test_an_urgency_that_this_version_does_not_know_is_refused(
    service: Service, stubs: Stubs
) -> None:
    request = RotateSigningKeyRequest(urgency=9)  # type: ignore[arg-type] # of a later version
    call = SessionServiceStub(stubs.channel).RotateSigningKey(
        request, metadata=bearer(service.admin_key)
    )

    refusal = await refused(call)

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violations == [("urgency", "is SCHEDULED or COMPROMISED")]
    assert len(await kids_in(service)) == 1


async def test_under_load_no_good_token_is_denied_and_no_key_signs_before_it_was_public(
    settings: Settings,
) -> None:
    # Given two replicas, and somebody who verifies by public keys that are as old as the lead
    lead = 1.0
    quick = settings.model_copy(update={"signing_key_lead": lead, "max_staleness": 0.5})
    clock = asyncio.get_running_loop().time
    async with (
        serving(quick) as service,
        serving(quick) as other,
        service.client() as client,
        other.client() as other_client,
    ):
        public: list[tuple[float, set[str]]] = [(clock(), set(await kids_at(other.http_address)))]
        signed: list[tuple[float, str]] = []
        stop = asyncio.Event()

        async def keep_fetching() -> None:
            while not stop.is_set():
                # Known to be served by then; a fetch that began later saw no less.
                kids = set(await kids_at(other.http_address))
                public.append((clock(), kids))

        async def keep_asking(signer: Service, verifier: AsyncAuthClient) -> None:
            tokens: list[str] = []
            while not stop.is_set():
                begun = clock()
                tokens.append(await mint(signer))
                signed.append((begun, kid_of(tokens[-1])))
                for token in {tokens[0], tokens[len(tokens) // 2], tokens[-1]}:
                    assert await reason_of(verifier, token) == ""

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep_fetching())
            tasks.create_task(keep_asking(service, other_client))
            tasks.create_task(keep_asking(other, client))

            # When the key is rotated twice
            seen: set[str] = {kid_of(await mint(service))}
            for _ in range(2):
                rotated = await client.rotate_signing_key(SCHEDULED)

                async def has_taken_over(kid: str = rotated.key.kid) -> bool:
                    return bool(signed) and signed[-1][1] == kid

                await until(has_taken_over)
                seen.add(rotated.key.kid)
            stop.set()

    # Then every token was signed by a key of the set as it was when the key's lead began
    assert {kid for _, kid in signed} == seen
    # The other replica publishes a new key within its staleness of half a second.
    slack = lead - quick.max_staleness
    for begun, kid in signed:
        known = [kids for moment, kids in public if moment <= begun - slack]
        assert not known or kid in known[-1]
