"""From what nobody can decide in a batch to its wire message."""

from __future__ import annotations

from authsvc.rpc.error_table import row_of
from authsvc.usecases.judge_batch import Undecided
from orchestrator.auth.v1 import auth_service_pb2


def undecided_response(undecided: Undecided) -> bytes:
    """Convert to a serialised `ValidateCredentialResponse`, with the reason a status would have."""
    response = auth_service_pb2.ValidateCredentialResponse()
    response.undecided.reason = row_of(undecided.cause).reason
    response.undecided.retry_delay.FromTimedelta(undecided.cause.retry_delay)
    return response.SerializeToString()
