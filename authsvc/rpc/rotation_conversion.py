"""Between the wire messages of RotateKey and domain values, and nothing else."""

from __future__ import annotations

from datetime import datetime

from authsvc.rpc.key_conversion import key_message
from authsvc.rpc.time_conversion import to_datetime, to_timedelta
from authsvc.usecases.rotate_key import RotatedKey, RotateKeyCommand
from orchestrator.auth.v1 import key_rotation_pb2 as pb


def rotate_key_command(request: pb.RotateKeyRequest) -> RotateKeyCommand:
    """Convert a request of RotateKey."""
    return RotateKeyCommand(
        key_id=request.key_id,
        overlap=to_timedelta(request.overlap) if request.HasField("overlap") else None,
        expire_time=to_datetime(request.expire_time) if request.HasField("expire_time") else None,
        ttl=to_timedelta(request.ttl) if request.HasField("ttl") else None,
        request_id=request.request_id,
    )


def rotate_key_response(rotated: RotatedKey, now: datetime) -> pb.RotateKeyResponse:
    """Convert a rotation, with the keys in the states that they have at a moment."""
    return pb.RotateKeyResponse(
        key=key_message(rotated.key, now),
        secret=rotated.secret.reveal(),
        retired_key=key_message(rotated.retired_key, now),
        revision=rotated.revision,
    )
