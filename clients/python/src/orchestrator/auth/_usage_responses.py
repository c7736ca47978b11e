"""Reads the response messages of the calls for usage. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.auth import _enums, _from_wire, _usage_model
from orchestrator.auth.v1 import denial_pb2

if TYPE_CHECKING:
    from orchestrator.auth.v1 import usage_pb2

_DENIAL_REASONS: Final = _from_wire.table(
    _enums.DenialReason, denial_pb2.DenialReason.items(), "DENIAL_REASON_"
)


def key_usage(response: usage_pb2.GetKeyUsageResponse) -> _usage_model.KeyUsage:
    """Read the response of GetKeyUsage."""
    return _usage_model.KeyUsage(
        intervals=tuple(map(_interval, response.intervals)),
        granted_count=response.granted_count,
        denied_count=response.denied_count,
        last_use_time=_from_wire.optional_moment(response, "last_use_time", response.last_use_time),
        client_addresses=tuple(map(_address, response.client_addresses)),
        callers=tuple(map(_caller, response.callers)),
    )


def account_usage(response: usage_pb2.GetAccountUsageResponse) -> _usage_model.AccountUsage:
    """Read the response of GetAccountUsage."""
    return _usage_model.AccountUsage(
        intervals=tuple(map(_interval, response.intervals)),
        granted_count=response.granted_count,
        denied_count=response.denied_count,
    )


def _interval(message: usage_pb2.UsageInterval) -> _usage_model.UsageInterval:
    denials: dict[_enums.DenialReason, int] = {}
    for denial in message.denials:
        reason = _DENIAL_REASONS.get(denial.reason, _enums.DenialReason.UNKNOWN)
        # Several that this client does not know are one to it.
        denials[reason] = denials.get(reason, 0) + denial.count
    return _usage_model.UsageInterval(
        start_time=_from_wire.moment(message, "start_time", message.start_time),
        granted=message.granted,
        denials=denials,
    )


def _address(message: usage_pb2.ClientAddressUsage) -> _usage_model.ClientAddressUsage:
    return _usage_model.ClientAddressUsage(
        address=message.address,
        first_seen_time=_from_wire.moment(message, "first_seen_time", message.first_seen_time),
        last_seen_time=_from_wire.moment(message, "last_seen_time", message.last_seen_time),
        call_count=message.call_count,
        is_new=message.is_new,
    )


def _caller(message: usage_pb2.CallerUsage) -> _usage_model.CallerUsage:
    return _usage_model.CallerUsage(
        key_id=message.key_id or None,
        name=message.name or None,
        certificate_name=message.certificate_name or None,
        first_seen_time=_from_wire.moment(message, "first_seen_time", message.first_seen_time),
        last_seen_time=_from_wire.moment(message, "last_seen_time", message.last_seen_time),
        call_count=message.call_count,
    )
