"""Between the wire messages of recorded usage and domain values, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from authsvc.domain.ids import KEY, is_id
from authsvc.domain.usage import Granularity, KeySource, UsageInterval, UsagePeriodQuery
from authsvc.rpc.time_conversion import optional_timestamp, timestamp, to_datetime
from authsvc.rpc.verdict_conversion import denial_reason
from authsvc.usecases.get_usage import AddressUse, KeyUsage
from orchestrator.auth.v1 import usage_pb2 as pb

_GRANULARITIES: Final = {
    pb.UsageGranularity.Value(f"USAGE_GRANULARITY_{granularity}"): granularity
    for granularity in Granularity
}


def usage_period_query(
    request: pb.GetKeyUsageRequest | pb.GetAccountUsageRequest,
) -> UsagePeriodQuery:
    """Convert the period of a request."""
    granularity = _GRANULARITIES.get(request.granularity)
    return UsagePeriodQuery(
        start=to_datetime(request.start_time) if request.HasField("start_time") else None,
        end=to_datetime(request.end_time) if request.HasField("end_time") else None,
        granularity=granularity,
        has_unknown_granularity=bool(request.granularity) and granularity is None,
    )


def get_key_usage_response(usage: KeyUsage) -> pb.GetKeyUsageResponse:
    """Convert the usage of a key."""
    granted, denied = _totals(usage.intervals)
    return pb.GetKeyUsageResponse(
        intervals=map(_interval, usage.intervals),
        granted_count=granted,
        denied_count=denied,
        last_use_time=optional_timestamp(usage.key.last_use_time),
        client_addresses=map(_address, usage.addresses),
        callers=map(_caller, usage.callers),
    )


def get_account_usage_response(intervals: Sequence[UsageInterval]) -> pb.GetAccountUsageResponse:
    """Convert the usage of an account."""
    granted, denied = _totals(intervals)
    return pb.GetAccountUsageResponse(
        intervals=map(_interval, intervals), granted_count=granted, denied_count=denied
    )


def _totals(intervals: Sequence[UsageInterval]) -> tuple[int, int]:
    granted = sum(interval.granted for interval in intervals)
    return granted, sum(sum(interval.outcomes.values()) for interval in intervals) - granted


def _interval(interval: UsageInterval) -> pb.UsageInterval:
    return pb.UsageInterval(
        start_time=timestamp(interval.start),
        granted=interval.granted,
        denials=[
            pb.DenialCount(reason=denial_reason(name), count=count)
            for name, count in interval.denials
        ],
    )


def _address(use: AddressUse) -> pb.ClientAddressUsage:
    source = use.source
    return pb.ClientAddressUsage(
        address=source.source,
        first_seen_time=timestamp(source.first_seen),
        last_seen_time=timestamp(source.last_seen),
        call_count=source.count,
        is_new=use.is_new,
    )


def _caller(caller: KeySource) -> pb.CallerUsage:
    has_key = not caller.source or is_id(caller.source, KEY)
    return pb.CallerUsage(
        key_id=caller.source if has_key else "",
        certificate_name="" if has_key else caller.source,
        name=caller.name,
        first_seen_time=timestamp(caller.first_seen),
        last_seen_time=timestamp(caller.last_seen),
        call_count=caller.count,
    )
