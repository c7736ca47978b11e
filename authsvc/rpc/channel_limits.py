"""What one connection may ask of the server, and how long calls may wait to be taken up.

gRPC itself keeps these limits, outside of Python: it costs a good call nothing, and refusing a call
costs about a tenth of answering it. docs/limits.md says what a caller sees of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB

# A batch of 1,000 credentials of 8 KiB, with as much again for scopes and contexts.
_MAX_REQUEST_BYTES: Final = 16 * _MIB
# A batch of 1,000 principals with metadata and scopes at their bounds; what the clients take.
_MAX_ANSWER_BYTES: Final = 128 * _MIB
# A caller's own credential may have 8 KiB, and tracing and proxies add to that. From the first to
# the second, gRPC refuses calls at random, the more of them the closer they come to the second.
_MAX_METADATA_BYTES: Final = 16 * _KIB
_ABSOLUTE_MAX_METADATA_BYTES: Final = 32 * _KIB


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """The limits that can be set; others are the same for everybody."""

    queued_calls: int = 400
    """How many calls of one method may wait to be taken up. From half as many on, gRPC refuses some
    of them at random."""
    streams_per_connection: int = 100
    """How many calls of one connection may be under way; a client keeps the others back."""
    connection_age: timedelta = timedelta(minutes=30)
    """How old a connection becomes, give or take a tenth: replicas that came later get their
    share."""
    connection_age_grace: timedelta = timedelta(minutes=1)
    """How long calls on an old connection may take to end; streams resume elsewhere."""
    connection_idle: timedelta = timedelta(minutes=15)
    """How long a connection without a call is kept."""
    ping_interval: timedelta = timedelta(seconds=10)
    """How often a client may ping; one that does so much more often is cut off."""
    handshake: timedelta = timedelta(seconds=10)
    """How long a new connection may take until it speaks HTTP/2, TLS included."""

    @property
    def connection_life(self) -> timedelta:
        """How long a connection lasts at most."""
        return self.connection_age * 1.1 + self.connection_age_grace

    def as_options(self) -> tuple[tuple[str, int], ...]:
        """Return them as options of a gRPC server."""
        return (
            ("grpc.server.max_pending_requests", self.queued_calls // 2),
            ("grpc.server.max_pending_requests_hard_limit", self.queued_calls),
            ("grpc.max_concurrent_streams", self.streams_per_connection),
            # It counts calls that have ended and are not cleared away yet, and so refuses those of
            # a client that keeps to the limit. Calls taken back at once are cut off without it.
            ("grpc.http.overload_protection", 0),
            ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES),
            ("grpc.max_send_message_length", _MAX_ANSWER_BYTES),
            ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", _ABSOLUTE_MAX_METADATA_BYTES),
            ("grpc.max_connection_age_ms", _milliseconds(self.connection_age)),
            ("grpc.max_connection_age_grace_ms", _milliseconds(self.connection_age_grace)),
            ("grpc.max_connection_idle_ms", _milliseconds(self.connection_idle)),
            ("grpc.server_handshake_timeout_ms", _milliseconds(self.handshake)),
            # Counts calls, also those that are refused here; without a history of each connection.
            ("grpc.enable_channelz", 1),
            ("grpc.max_channel_trace_event_memory_per_node", 0),
            # A peer that is gone without a word is noticed within a minute or so.
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            # A client may keep its way through a firewall open between calls.
            ("grpc.keepalive_permit_without_calls", 1),
            (
                "grpc.http2.min_ping_interval_without_data_ms",
                _milliseconds(self.ping_interval),
            ),
            ("grpc.http2.max_ping_strikes", 2),
        )


def _milliseconds(time: timedelta) -> int:
    return round(time.total_seconds() * 1000)
