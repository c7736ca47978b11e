"""Builds the request messages of the calls for usage. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.auth import _enums, _to_wire
from orchestrator.auth.v1 import usage_pb2

if TYPE_CHECKING:
    from datetime import datetime

_GRANULARITIES: Final = {
    _enums.UsageGranularity(name.removeprefix("USAGE_GRANULARITY_")): value
    for name, value in usage_pb2.UsageGranularity.items()
    if value
}


def get_key_usage(
    key_id: str,
    *,
    start_time: datetime | None,
    end_time: datetime | None,
    granularity: _enums.UsageGranularity | None,
) -> usage_pb2.GetKeyUsageRequest:
    """Build the request of GetKeyUsage.

    Raises:
        ValueError: A time is naive, or the granularity is none that can be asked for.
    """
    request = usage_pb2.GetKeyUsageRequest(key_id=key_id)
    _set_period(request, start_time, end_time, granularity)
    return request


def get_account_usage(
    account_id: str | None,
    *,
    start_time: datetime | None,
    end_time: datetime | None,
    granularity: _enums.UsageGranularity | None,
) -> usage_pb2.GetAccountUsageRequest:
    """Build the request of GetAccountUsage.

    Raises:
        ValueError: A time is naive, or the granularity is none that can be asked for.
    """
    request = usage_pb2.GetAccountUsageRequest(account_id=account_id or "")
    _set_period(request, start_time, end_time, granularity)
    return request


def _set_period(
    request: usage_pb2.GetKeyUsageRequest | usage_pb2.GetAccountUsageRequest,
    start_time: datetime | None,
    end_time: datetime | None,
    granularity: _enums.UsageGranularity | None,
) -> None:
    if start_time is not None:
        request.start_time.CopyFrom(_to_wire.timestamp(start_time, "start_time"))
    if end_time is not None:
        request.end_time.CopyFrom(_to_wire.timestamp(end_time, "end_time"))
    if granularity is not None:
        wanted = _enums.UsageGranularity(granularity)
        if wanted not in _GRANULARITIES:
            raise ValueError("granularity is none that can be asked for: give HOUR or DAY")
        request.granularity = _GRANULARITIES[wanted]
