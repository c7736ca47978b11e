"""What gRPC's core counts of calls. It refuses some of them by itself, and no Python sees those.

Read by channelz (gRPC proposal A14), whose counters cost a call nothing that could be measured.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from grpc_channelz.v1 import channelz, channelz_pb2

_servicer: Any = channelz.ChannelzServicer


class CoreCalls(NamedTuple):
    """How many calls there have been, of all services, health and reflection among them."""

    started: int
    """All that have arrived. One that neither succeeded nor failed is under way, or was refused
    because too many waited to be taken up."""
    succeeded: int
    """Those that ended with OK."""
    failed: int
    """Those that ended otherwise, and had been taken up."""


def core_calls() -> CoreCalls:
    """Return the counts of all gRPC servers of this process, since each was made."""
    answer = _servicer.GetServers(channelz_pb2.GetServersRequest(), None)
    data = [server.data for server in answer.server]
    return CoreCalls(
        sum(each.calls_started for each in data),
        sum(each.calls_succeeded for each in data),
        sum(each.calls_failed for each in data),
    )
