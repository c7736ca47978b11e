"""The keys of access tokens: the public ones, and their rotation."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.auth import (
    JsonWebKey,
    Jwks,
    MalformedResponse,
    RotatedSigningKey,
    SigningKey,
    SigningKeyRotationUrgency,
    SigningKeyState,
)
from orchestrator.auth.v1 import jwks_pb2, signing_key_pb2

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
EXAMPLE = SigningKey("jwk_2", "EdDSA", SigningKeyState.PUBLISHED, AT, AT, None)


async def test_the_public_keys_come_with_how_long_they_may_be_kept(client: Any) -> None:
    key = JsonWebKey("jwk_1", "OKP", "EdDSA", "sig", crv="Ed25519", x="AAAA")

    assert await client.get_jwks() == Jwks((key,), timedelta(minutes=5))


async def test_the_set_is_what_libraries_take(client: Any) -> None:
    jwks = await client.get_jwks()

    assert jwks.as_dict() == {
        "keys": [
            {
                "kid": "jwk_1",
                "kty": "OKP",
                "alg": "EdDSA",
                "use": "sig",
                "crv": "Ed25519",
                "x": "AAAA",
            }
        ]
    }


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "Ag"}, id="EC"),
        pytest.param({"kty": "RSA", "n": "AQ", "e": "AQAB"}, id="RSA"),
    ],
)
async def test_a_key_has_the_members_of_its_type(
    client: Any, server: Any, answers: Any, members: dict[str, str]
) -> None:
    sent = jwks_pb2.JsonWebKey(kid="jwk_3", alg="X", use="sig", **members)
    server.script("GetJwks", answers.jwks(keys=[sent]))

    (key,) = (await client.get_jwks()).keys

    assert key.as_dict() == {"kid": "jwk_3", "alg": "X", "use": "sig", **members}


async def test_public_keys_that_do_not_say_how_long_they_last_are_malformed(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("GetJwks", answers.jwks(max_age=None))

    with pytest.raises(MalformedResponse, match="GetJwksResponse has no max_age"):
        await client.get_jwks()


async def test_a_rotation_is_scheduled_unless_told_otherwise(client: Any, server: Any) -> None:
    assert await client.rotate_signing_key() == RotatedSigningKey(EXAMPLE, ())
    sent = server.calls[0].request.urgency
    assert sent == signing_key_pb2.SIGNING_KEY_ROTATION_URGENCY_SCHEDULED


async def test_a_rotation_after_a_compromise_tells_which_keys_ended(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("RotateSigningKey", answers.rotated_signing_key(ended_kids=["jwk_0", "jwk_1"]))

    rotated = await client.rotate_signing_key(SigningKeyRotationUrgency.COMPROMISED)

    assert rotated.ended_kids == ("jwk_0", "jwk_1")
    sent = server.calls[0].request.urgency
    assert sent == signing_key_pb2.SIGNING_KEY_ROTATION_URGENCY_COMPROMISED


async def test_an_urgency_that_is_none_is_not_sent(client: Any, server: Any) -> None:
    with pytest.raises(ValueError, match="urgency is not"):
        await client.rotate_signing_key("at leisure")

    assert server.calls == []


async def test_a_rotation_without_a_key_is_malformed(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("RotateSigningKey", answers.rotated_signing_key(key=None))

    with pytest.raises(MalformedResponse, match="RotateSigningKeyResponse has no key"):
        await client.rotate_signing_key()


async def test_a_state_that_this_version_does_not_know_reads_as_unknown(
    client: Any, server: Any, answers: Any
) -> None:
    key = answers.rotated_signing_key().key
    key.state = 99
    server.script("RotateSigningKey", answers.rotated_signing_key(key=key))

    assert (await client.rotate_signing_key()).key.state is SigningKeyState.UNKNOWN


async def test_a_retire_time_is_a_moment(client: Any, server: Any, answers: Any) -> None:
    key = signing_key_pb2.SigningKey(
        kid="jwk_2", create_time=answers.AT, activate_time=answers.AT, retire_time=answers.AT
    )
    server.script("RotateSigningKey", answers.rotated_signing_key(key=key))

    assert (await client.rotate_signing_key()).key.retire_time == AT
