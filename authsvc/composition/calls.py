"""The path of every call and the log of those that have ended, built as the settings say."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

from authsvc.composition.parts import Parts
from authsvc.composition.tls import caller_of_peer
from authsvc.config import Settings
from authsvc.domain.clock import Clock
from authsvc.rpc.call_log import CallLog
from authsvc.rpc.calls import Calls
from authsvc.rpc.observation import CallObserver
from authsvc.rpc.shedding import Shedding
from authsvc.usecases.audit_denials import AuditDenials
from authsvc.usecases.authenticate_caller import AuthenticateCaller


def build_call_log(settings: Settings) -> CallLog:
    """Return the log of calls that end on the running event loop."""
    return CallLog(
        sample=settings.log_sample,
        random=random.random,
        call_later=asyncio.get_running_loop().call_later,
    )


def build_calls(
    parts: Parts,
    audit_denials: AuditDenials,
    bound: Shedding,
    *,
    observers: Sequence[CallObserver],
    clock: Clock,
) -> Calls:
    """Build the path of every call."""
    settings, judging = parts.settings, parts.judging
    return Calls(
        authenticate=AuthenticateCaller(judging.judge, onlooker=judging.onlooker),
        audit_denials=audit_denials,
        work_limit_seconds=settings.database_timeout,
        monotonic=time.monotonic,
        observers=observers,
        spans=parts.traces.calls if parts.traces else None,
        shedding=bound,
        reach=judging.log.reach,
        caller_of_peer=caller_of_peer(settings, clock=clock),
    )
