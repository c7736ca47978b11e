"""What every use case is told about the call it serves."""

from __future__ import annotations

from dataclasses import dataclass

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.origin import Origin


@dataclass(slots=True)
class Call:
    """An authenticated call."""

    caller: Caller
    """Who calls. During a stream, who that was when the latest answer was sent."""
    deadline: Deadline
    origin: Origin
    """What the audit log is told of the call."""
