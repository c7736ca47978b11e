"""Between the wire messages of signing keys and domain values, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from google.protobuf.duration_pb2 import Duration

from authsvc.domain.json_web_keys import JWKS_MAX_AGE, JsonWebKey
from authsvc.domain.signing_keys import SigningKeyState
from authsvc.rpc.time_conversion import timestamp
from authsvc.usecases.rotate_signing_key import RotatedSigningKey, RotationUrgency
from orchestrator.auth.v1 import jwks_pb2
from orchestrator.auth.v1 import signing_key_pb2 as pb

_STATES: Final = {
    state: pb.SigningKeyState.Value(f"SIGNING_KEY_STATE_{state}") for state in SigningKeyState
}
_URGENCIES: Final[dict[int, RotationUrgency]] = {
    pb.SIGNING_KEY_ROTATION_URGENCY_UNSPECIFIED: RotationUrgency.SCHEDULED,
    pb.SIGNING_KEY_ROTATION_URGENCY_SCHEDULED: RotationUrgency.SCHEDULED,
    pb.SIGNING_KEY_ROTATION_URGENCY_COMPROMISED: RotationUrgency.COMPROMISED,
}


def urgency(request: pb.RotateSigningKeyRequest) -> RotationUrgency | None:
    """Convert the urgency of a rotation; None for one that this version does not know."""
    return _URGENCIES.get(request.urgency)


def rotate_signing_key_response(rotated: RotatedSigningKey) -> pb.RotateSigningKeyResponse:
    """Convert a rotation."""
    life = rotated.life
    message = pb.SigningKey(
        kid=life.key.kid,
        algorithm=life.key.algorithm,
        state=_STATES[life.state(rotated.as_of)],
        create_time=timestamp(life.key.create_time),
        activate_time=timestamp(life.key.activate_time),
    )
    if life.retire_time is not None:
        message.retire_time.CopyFrom(timestamp(life.retire_time))
    return pb.RotateSigningKeyResponse(key=message, ended_kids=[key.kid for key in rotated.ended])


def get_jwks_response(keys: Iterable[JsonWebKey]) -> jwks_pb2.GetJwksResponse:
    """Convert the public keys."""
    max_age = Duration()
    max_age.FromTimedelta(JWKS_MAX_AGE)
    return jwks_pb2.GetJwksResponse(
        keys=[jwks_pb2.JsonWebKey(**key.members()) for key in keys], max_age=max_age
    )
