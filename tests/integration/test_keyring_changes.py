"""A change of the keyring at one server is known to the others as soon as its log is followed."""

from __future__ import annotations

import asyncio

from authsvc import app
from authsvc.config import Settings
from authsvc.config_values import OutagePolicy
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1.signing_key_pb2 import (
    SIGNING_KEY_ROTATION_URGENCY_COMPROMISED,
    RotateSigningKeyRequest,
)
from tests.conftest import Service, serving
from tests.integration.support import (
    bearer,
    connected,
    mint,
    refused,
    stubs_of,
    until,
    url_of,
)


async def has_followed(service: Service) -> bool:
    """Tell whether a server has seen all of the change log."""
    async with connected(url_of(service)) as connection:
        newest = await connection.fetchval("SELECT max(revision) FROM authsvc.changes")
    watermark = service.parts.judging.log.watermark
    return watermark is not None and watermark.revision >= newest


async def test_another_server_takes_the_new_key_and_the_old_one_no_more(
    settings: Settings,
) -> None:
    async with (
        serving(settings) as one,
        serving(settings) as two,
        stubs_of(one.address) as here,
        stubs_of(two.address) as there,
    ):
        admin = bearer(one.admin_key)
        old = await mint(one)
        # So that an unknown key would be denied for the next second without being looked for.
        await two.parts.signing.keyring.find_verification_key(
            "jwk_unknown", fresh=False, deadline=app.time_limit()
        )

        compromised = RotateSigningKeyRequest(urgency=SIGNING_KEY_ROTATION_URGENCY_COMPROMISED)
        await here.sessions.RotateSigningKey(compromised, metadata=admin)
        new = await mint(one)
        await until(lambda: has_followed(two))

        outcomes = []
        for token in (new, old):
            answer = await there.auth.ValidateCredential(
                pb.ValidateCredentialRequest(credential=token), metadata=admin
            )
            outcomes.append(answer.WhichOneof("outcome"))
        assert outcomes == ["principal", "denial"]


async def test_a_key_that_is_known_to_be_gone_is_good_for_nothing_though_the_others_cannot_be_read(
    settings: Settings,
) -> None:
    serve_stale = {"outage_policy": OutagePolicy.SERVE_STALE, "database_timeout": 0.5}
    async with (
        serving(settings.model_copy(update=serve_stale)) as service,
        stubs_of(service.address) as stubs,
        connected(url_of(service)) as rotating,
        connected(url_of(service)) as in_the_way,
    ):
        admin = bearer(service.admin_key)
        ask = pb.ValidateCredentialRequest(credential=await mint(service))
        answer = await stubs.auth.ValidateCredential(ask, metadata=admin)
        assert answer.HasField("principal")

        # Given a key that is taken out, and that nobody can read the keyring from then on
        async with in_the_way.transaction():
            async with rotating.transaction():
                await rotating.execute("DELETE FROM authsvc.signing_keys")
                locking = asyncio.create_task(in_the_way.execute("LOCK TABLE authsvc.signing_keys"))

                async def is_next() -> bool:
                    return bool(
                        await rotating.fetchval(
                            "SELECT NOT granted FROM pg_locks WHERE pid = $1 AND"
                            " relation = 'authsvc.signing_keys'::regclass",
                            in_the_way.get_server_pid(),
                        )
                    )

                await until(is_next)
            await locking
            # When the server has heard of it
            await until(lambda: has_followed(service))

            refusal = await refused(stubs.auth.ValidateCredential(ask, metadata=admin, timeout=5))

        # Then its tokens are not taken for good, as they would be in an outage
        assert refusal.reason == "DATABASE_UNAVAILABLE"
