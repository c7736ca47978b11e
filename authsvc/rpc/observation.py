"""What is told of every call when it ends, to logs, metrics and traces alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import grpc


class FinishedCall(NamedTuple):
    """A call that has ended, in whatever way.

    `method` is as `action_of` names it. `reason` is the short name of the ErrorReason of a
    refused call, the name of the DenialReason of a denied ValidateCredential or of the first
    denial of a batch, else empty. `caller_id` is empty where the call ended before it was known.
    `error` is why a call was refused; it is for the log alone, for it may name what is internal.
    """

    method: str
    code: grpc.StatusCode
    reason: str
    seconds: float
    request_id: str
    caller_id: str
    address: str
    error: Exception | None = None


CallObserver = Callable[[FinishedCall], None]


class Answer(NamedTuple):
    """A serialised answer, and the name of the DenialReason if it denies a credential.

    Of a batch it is the first denial's.
    """

    data: bytes
    denial: str = ""
