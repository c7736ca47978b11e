"""Builds the request messages of the calls for the keys of access tokens. Depends on protobuf."""

from __future__ import annotations

from orchestrator.auth._enums import SigningKeyRotationUrgency
from orchestrator.auth.v1 import jwks_pb2, signing_key_pb2


def get_jwks() -> jwks_pb2.GetJwksRequest:
    """Build the request of GetJwks."""
    return jwks_pb2.GetJwksRequest()


def rotate_signing_key(
    urgency: SigningKeyRotationUrgency,
) -> signing_key_pb2.RotateSigningKeyRequest:
    """Build the request of RotateSigningKey.

    Raises:
        ValueError: The urgency is none that can be sent.
    """
    if SigningKeyRotationUrgency(urgency) is SigningKeyRotationUrgency.UNKNOWN:
        raise ValueError("urgency is not a SigningKeyRotationUrgency that can be sent")
    return signing_key_pb2.RotateSigningKeyRequest(
        urgency=signing_key_pb2.SigningKeyRotationUrgency.Value(
            f"SIGNING_KEY_ROTATION_URGENCY_{urgency}"
        )
    )
