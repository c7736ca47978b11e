"""A change of the keyring at one server is known to the others as soon as its log is followed."""

from __future__ import annotations

from authsvc import app
from authsvc.config import Settings
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1.signing_key_pb2 import (
    SIGNING_KEY_ROTATION_URGENCY_COMPROMISED,
    RotateSigningKeyRequest,
)
from tests.conftest import Service, serving
from tests.integration.support import bearer, connected, mint, stubs_of, until, url_of


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
