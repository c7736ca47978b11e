"""What bounds the calls and the connections."""

from __future__ import annotations

import random
from datetime import timedelta

from authsvc.config import Settings
from authsvc.rpc.channel_limits import ChannelLimits
from authsvc.rpc.shedding import Shedding


def shedding(settings: Settings) -> Shedding:
    """Return the bound on calls that wait."""
    return Shedding(limit=settings.max_concurrent_calls, jitter=random.random)


def channel_limits(settings: Settings) -> ChannelLimits:
    """Return the limits of connections."""
    return ChannelLimits(
        queued_calls=settings.max_queued_calls,
        streams_per_connection=settings.max_streams_per_connection,
        connection_age=timedelta(minutes=settings.connection_age_minutes),
        connection_idle=timedelta(minutes=settings.connection_idle_minutes),
    )
