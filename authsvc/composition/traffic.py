"""What bounds the calls and the connections."""

from __future__ import annotations

from datetime import timedelta

from authsvc.config import Settings
from authsvc.rpc.channel_limits import ChannelLimits


def channel_limits(settings: Settings) -> ChannelLimits:
    """Return the limits of connections."""
    return ChannelLimits(
        queued_calls=settings.max_queued_calls,
        streams_per_connection=settings.max_streams_per_connection,
        connection_age=timedelta(minutes=settings.connection_age_minutes),
        connection_idle=timedelta(minutes=settings.connection_idle_minutes),
    )
