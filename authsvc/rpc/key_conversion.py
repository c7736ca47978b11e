"""Between wire messages and domain values, for keys and their management."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from authsvc.domain.keys import Key, KeyState, RevocationReason
from authsvc.domain.rate_limits import RateLimit
from authsvc.rpc.time_conversion import (
    duration,
    optional_timestamp,
    timestamp,
    to_datetime,
    to_timedelta,
)
from authsvc.usecases.create_key import CreateKeyCommand
from authsvc.usecases.list_keys import KeyPage, ListKeysQuery
from authsvc.usecases.revoke_key import RevokeKeyCommand
from authsvc.usecases.update_key import UpdateKeyCommand
from orchestrator.auth.v1 import auth_service_pb2, key_pb2, rate_limit_pb2
from orchestrator.auth.v1 import key_management_pb2 as pb

_KEY_STATES: Final = {key_pb2.KeyState.Value(f"KEY_STATE_{state}"): state for state in KeyState}
REVOCATION_REASONS: Final = {
    value: RevocationReason(name.removeprefix("REVOCATION_REASON_"))
    for name, value in key_pb2.RevocationReason.items()
}


def create_key_command(request: auth_service_pb2.CreateKeyRequest) -> CreateKeyCommand:
    """Convert a request of CreateKey."""
    return CreateKeyCommand(
        name=request.name,
        account_id=request.account_id,
        scopes=tuple(request.scopes),
        expire_time=(to_datetime(request.expire_time) if request.HasField("expire_time") else None),
        ttl=to_timedelta(request.ttl) if request.HasField("ttl") else None,
        metadata=dict(request.metadata),
        request_id=request.request_id,
        allowed_addresses=tuple(request.allowed_addresses),
        rate_limit=to_rate_limit(request.rate_limit) if request.HasField("rate_limit") else None,
    )


def list_keys_query(request: pb.ListKeysRequest) -> ListKeysQuery:
    """Convert a request of ListKeys."""
    return ListKeysQuery(
        account_id=request.account_id,
        page_size=request.page_size,
        page_token=request.page_token,
        states=tuple(_KEY_STATES.get(state) for state in request.states),
        name_prefix=request.name_prefix,
        last_used_before=(
            to_datetime(request.last_used_before) if request.HasField("last_used_before") else None
        ),
        expiring_before=(
            to_datetime(request.expiring_before) if request.HasField("expiring_before") else None
        ),
    )


def list_keys_response(page: KeyPage) -> pb.ListKeysResponse:
    """Convert a page of keys."""
    return pb.ListKeysResponse(
        keys=[key_message(key, page.as_of) for key in page.keys],
        next_page_token=page.next_page_token,
    )


def update_key_command(request: pb.UpdateKeyRequest) -> UpdateKeyCommand:
    """Convert a request of UpdateKey."""
    key = request.key
    return UpdateKeyCommand(
        key_id=key.key_id,
        paths=tuple(request.update_mask.paths),
        etag=key.etag,
        name=key.name,
        scopes=tuple(key.scopes),
        expire_time=to_datetime(key.expire_time) if key.HasField("expire_time") else None,
        metadata=dict(key.metadata),
        disabled=key.disabled,
        allowed_addresses=tuple(key.allowed_addresses),
        rate_limit=to_rate_limit(key.rate_limit) if key.HasField("rate_limit") else None,
    )


def revoke_key_command(request: auth_service_pb2.RevokeKeyRequest) -> RevokeKeyCommand:
    """Convert a request of RevokeKey."""
    return RevokeKeyCommand(
        key_id=request.key_id if request.HasField("key_id") else None,
        secret=request.secret if request.HasField("secret") else None,
        reason=REVOCATION_REASONS.get(request.reason),
        note=request.note,
    )


def key_message(key: Key, now: datetime) -> key_pb2.Key:
    """Convert a key, in the state that it has at a moment."""
    state: KeyState = key.state_at(now)
    return key_pb2.Key(
        key_id=key.key_id,
        account_id=key.account_id,
        name=key.name,
        scopes=key.scopes,
        state=key_pb2.KeyState.Value(f"KEY_STATE_{state}"),
        hint=key.hint,
        create_time=timestamp(key.create_time),
        expire_time=optional_timestamp(key.expire_time),
        revoke_time=optional_timestamp(key.revoke_time),
        last_use_time=optional_timestamp(key.last_use_time),
        metadata=key.metadata,
        etag=key.etag,
        disabled=key.disabled,
        revoke_reason=key_pb2.RevocationReason.Value(f"REVOCATION_REASON_{key.revoke_reason}"),
        revoke_note=key.revoke_note,
        superseded_by=key.superseded_by,
        supersedes=key.supersedes,
        allowed_addresses=key.allowed_addresses,
        rate_limit=_optional_rate_limit(key.rate_limit),
    )


def to_rate_limit(message: rate_limit_pb2.RateLimit) -> RateLimit:
    """Convert a rate limit, within bounds or not."""
    return RateLimit(message.requests, to_timedelta(message.period))


def _optional_rate_limit(limit: RateLimit | None) -> rate_limit_pb2.RateLimit | None:
    if limit is None:
        return None
    return rate_limit_pb2.RateLimit(requests=limit.requests, period=duration(limit.period))
