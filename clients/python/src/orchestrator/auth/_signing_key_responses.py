"""Reads the response messages of the calls for the keys of access tokens. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.auth import _enums, _from_wire
from orchestrator.auth import _signing_key_model as model
from orchestrator.auth.v1 import signing_key_pb2

if TYPE_CHECKING:
    from orchestrator.auth.v1 import jwks_pb2

_STATES: Final = _from_wire.table(
    _enums.SigningKeyState, signing_key_pb2.SigningKeyState.items(), "SIGNING_KEY_STATE_"
)


def jwks(response: jwks_pb2.GetJwksResponse) -> model.Jwks:
    """Read the response of GetJwks."""
    _from_wire.require(response, "max_age")
    return model.Jwks(
        keys=tuple(
            model.JsonWebKey(
                kid=key.kid,
                kty=key.kty,
                alg=key.alg,
                use=key.use,
                crv=key.crv,
                x=key.x,
                y=key.y,
                n=key.n,
                e=key.e,
            )
            for key in response.keys
        ),
        max_age=_from_wire.span("max_age", response.max_age),
    )


def rotated(response: signing_key_pb2.RotateSigningKeyResponse) -> model.RotatedSigningKey:
    """Read the response of RotateSigningKey."""
    _from_wire.require(response, "key")
    return model.RotatedSigningKey(
        key=_signing_key(response.key), ended_kids=tuple(response.ended_kids)
    )


def _signing_key(message: signing_key_pb2.SigningKey) -> model.SigningKey:
    return model.SigningKey(
        kid=message.kid,
        algorithm=message.algorithm,
        state=_STATES.get(message.state, _enums.SigningKeyState.UNKNOWN),
        create_time=_from_wire.moment(message, "create_time", message.create_time),
        activate_time=_from_wire.moment(message, "activate_time", message.activate_time),
        retire_time=_from_wire.optional_moment(message, "retire_time", message.retire_time),
    )
