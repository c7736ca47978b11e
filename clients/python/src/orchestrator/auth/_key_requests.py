"""Builds the request messages of the calls for API keys. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _to_wire
from orchestrator.auth._enums import KeyState, RevocationReason
from orchestrator.auth._model import Unset
from orchestrator.auth._secret import Secret, revealed
from orchestrator.auth.v1 import (
    auth_service_pb2,
    key_management_pb2,
    key_pb2,
    key_rotation_pb2,
    rate_limit_pb2,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime, timedelta

    from orchestrator.auth._key_model import RateLimit


def create_key(
    name: str,
    *,
    account_id: str | None,
    scopes: Collection[str],
    expire_time: datetime | None,
    ttl: timedelta | None,
    metadata: Mapping[str, str] | None,
    allowed_addresses: Collection[str],
    rate_limit: RateLimit | None,
    request_id: str | None,
) -> auth_service_pb2.CreateKeyRequest:
    """Build the request of CreateKey, with a request id in any case."""
    request = auth_service_pb2.CreateKeyRequest(
        account_id=account_id or "",
        name=name,
        scopes=_to_wire.scopes(scopes, "scopes"),
        metadata=metadata or {},
        request_id=_to_wire.request_id(request_id),
        allowed_addresses=_to_wire.addresses(allowed_addresses, "allowed_addresses"),
        rate_limit=None if rate_limit is None else rate_limit_message(rate_limit),
    )
    _set_expiry(request, expire_time, ttl)
    return request


def rotate_key(
    key_id: str,
    *,
    overlap: timedelta | None,
    expire_time: datetime | None,
    ttl: timedelta | None,
    request_id: str | None,
) -> key_rotation_pb2.RotateKeyRequest:
    """Build the request of RotateKey, with a request id in any case."""
    request = key_rotation_pb2.RotateKeyRequest(
        key_id=key_id, request_id=_to_wire.request_id(request_id)
    )
    # No overlap at all is an answer of its own: unset, it is the server's default.
    if overlap is not None:
        request.overlap.CopyFrom(_to_wire.duration(overlap))
    _set_expiry(request, expire_time, ttl)
    return request


def get_key(key_id: str) -> key_management_pb2.GetKeyRequest:
    """Build the request of GetKey."""
    return key_management_pb2.GetKeyRequest(key_id=key_id)


def list_keys(
    *,
    account_id: str | None,
    states: Collection[KeyState],
    name_prefix: str,
    last_used_before: datetime | None,
    expiring_before: datetime | None,
    page_size: int,
) -> key_management_pb2.ListKeysRequest:
    """Build the request of ListKeys for the first page."""
    if any(KeyState(state) is KeyState.UNKNOWN for state in states):
        raise ValueError("states has a state that cannot be asked for")
    request = key_management_pb2.ListKeysRequest(
        account_id=account_id or "",
        states=[key_pb2.KeyState.Value(f"KEY_STATE_{state}") for state in states],
        name_prefix=name_prefix,
        page_size=page_size,
    )
    if last_used_before is not None:
        request.last_used_before.CopyFrom(_to_wire.timestamp(last_used_before, "last_used_before"))
    if expiring_before is not None:
        request.expiring_before.CopyFrom(_to_wire.timestamp(expiring_before, "expiring_before"))
    return request


def update_key(
    key_id: str,
    *,
    name: str | Unset,
    scopes: Collection[str] | Unset,
    expire_time: datetime | Unset | None,
    metadata: Mapping[str, str] | Unset,
    disabled: bool | Unset,
    allowed_addresses: Collection[str] | Unset,
    rate_limit: RateLimit | Unset | None,
    etag: str | None,
) -> key_management_pb2.UpdateKeyRequest:
    """Build the request of UpdateKey; what is not `UNSET` is named in the mask."""
    request = key_management_pb2.UpdateKeyRequest()
    request.key.key_id, request.key.etag = key_id, etag or ""
    paths = request.update_mask.paths
    if not isinstance(name, Unset):
        request.key.name = name
        paths.append("name")
    if not isinstance(scopes, Unset):
        request.key.scopes.extend(_to_wire.scopes(scopes, "scopes"))
        paths.append("scopes")
    if not isinstance(expire_time, Unset):
        if expire_time is not None:
            request.key.expire_time.CopyFrom(_to_wire.timestamp(expire_time, "expire_time"))
        paths.append("expire_time")
    if not isinstance(metadata, Unset):
        request.key.metadata.update(metadata)
        paths.append("metadata")
    if not isinstance(disabled, Unset):
        request.key.disabled = disabled
        paths.append("disabled")
    if not isinstance(allowed_addresses, Unset):
        rules = _to_wire.addresses(allowed_addresses, "allowed_addresses")
        request.key.allowed_addresses.extend(rules)
        paths.append("allowed_addresses")
    if not isinstance(rate_limit, Unset):
        if rate_limit is not None:
            request.key.rate_limit.CopyFrom(rate_limit_message(rate_limit))
        paths.append("rate_limit")
    return request


def revoke_key(
    *,
    key_id: str | None,
    secret: Secret | str | None,
    reason: RevocationReason | None,
    note: str,
) -> auth_service_pb2.RevokeKeyRequest:
    """Build the request of RevokeKey; exactly one of `key_id` and `secret` is given."""
    if (key_id is None) == (secret is None):
        raise TypeError("give exactly one of key_id and secret")
    request = auth_service_pb2.RevokeKeyRequest(note=note, reason=revocation_reason(reason))
    if key_id is not None:
        request.key_id = key_id
    if secret is not None:
        request.secret = _to_wire.encodable(revealed(secret))
    return request


def revocation_reason(reason: RevocationReason | None) -> key_pb2.RevocationReason.ValueType:
    """Return a reason as the wire has it.

    Raises:
        ValueError: It is none that can be sent.
    """
    if reason is None:
        return key_pb2.REVOCATION_REASON_UNSPECIFIED
    if RevocationReason(reason) is RevocationReason.UNKNOWN:
        raise ValueError("reason is not a RevocationReason that can be sent")
    return key_pb2.RevocationReason.Value(f"REVOCATION_REASON_{reason}")


def rate_limit_message(limit: RateLimit) -> rate_limit_pb2.RateLimit:
    """Return a rate limit as the wire has it."""
    period = _to_wire.duration(limit.period)
    return rate_limit_pb2.RateLimit(requests=limit.requests, period=period)


def _set_expiry(
    request: auth_service_pb2.CreateKeyRequest | key_rotation_pb2.RotateKeyRequest,
    expire_time: datetime | None,
    ttl: timedelta | None,
) -> None:
    if expire_time is not None and ttl is not None:
        raise ValueError("expire_time and ttl exclude each other")
    if expire_time is not None:
        request.expire_time.CopyFrom(_to_wire.timestamp(expire_time, "expire_time"))
    if ttl is not None:
        request.ttl.CopyFrom(_to_wire.duration(ttl))
