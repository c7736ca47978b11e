"""Reads the response messages of the calls for API keys. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.auth import _enums, _from_wire, _key_model
from orchestrator.auth._errors import MalformedResponse
from orchestrator.auth._secret import Secret
from orchestrator.auth.v1 import key_pb2

if TYPE_CHECKING:
    from orchestrator.auth.v1 import (
        auth_service_pb2,
        key_management_pb2,
        key_rotation_pb2,
        rate_limit_pb2,
    )

_KEY_STATES: Final = _from_wire.table(_enums.KeyState, key_pb2.KeyState.items(), "KEY_STATE_")
_REVOCATION_REASONS: Final = _from_wire.table(
    _enums.RevocationReason, key_pb2.RevocationReason.items(), "REVOCATION_REASON_"
)


def created_key(response: auth_service_pb2.CreateKeyResponse) -> _key_model.CreatedKey:
    """Read the response of CreateKey."""
    _from_wire.require(response, "key")
    return _key_model.CreatedKey(key_of(response.key), _secret(response.secret), response.revision)


def rotated_key(response: key_rotation_pb2.RotateKeyResponse) -> _key_model.RotatedKey:
    """Read the response of RotateKey."""
    _from_wire.require(response, "key")
    _from_wire.require(response, "retired_key")
    return _key_model.RotatedKey(
        key=key_of(response.key),
        secret=_secret(response.secret),
        retired_key=key_of(response.retired_key),
        revision=response.revision,
    )


def key(response: key_management_pb2.GetKeyResponse) -> _key_model.Key:
    """Read the response of GetKey."""
    _from_wire.require(response, "key")
    return key_of(response.key)


def keys(
    response: key_management_pb2.ListKeysResponse, page_token: str
) -> tuple[list[_key_model.Key], str]:
    """Read a page of ListKeys, asked for by `page_token`, and the token of the next.

    Raises:
        MalformedResponse: The page is to be followed by itself, for ever.
    """
    if response.next_page_token and response.next_page_token == page_token:
        raise MalformedResponse("a page of keys names itself as the next one")
    return [key_of(message) for message in response.keys], response.next_page_token


def updated_key(response: key_management_pb2.UpdateKeyResponse) -> _key_model.UpdatedKey:
    """Read the response of UpdateKey."""
    _from_wire.require(response, "key")
    return _key_model.UpdatedKey(key_of(response.key), response.revision)


def revoked_key(response: auth_service_pb2.RevokeKeyResponse) -> _key_model.RevokedKey:
    """Read the response of RevokeKey."""
    _from_wire.require(response, "key")
    return _key_model.RevokedKey(key_of(response.key), response.revision)


def key_of(message: key_pb2.Key) -> _key_model.Key:
    """Read a key, as several responses have it."""
    return _key_model.Key(
        key_id=message.key_id,
        account_id=message.account_id,
        name=message.name,
        scopes=tuple(message.scopes),
        state=_KEY_STATES.get(message.state, _enums.KeyState.UNKNOWN),
        hint=message.hint,
        create_time=_from_wire.moment(message, "create_time", message.create_time),
        expire_time=_from_wire.optional_moment(message, "expire_time", message.expire_time),
        revoke_time=_from_wire.optional_moment(message, "revoke_time", message.revoke_time),
        last_use_time=_from_wire.optional_moment(message, "last_use_time", message.last_use_time),
        metadata=dict(message.metadata),
        etag=message.etag,
        revoke_reason=(
            _REVOCATION_REASONS.get(message.revoke_reason, _enums.RevocationReason.UNKNOWN)
            if message.revoke_reason
            else None
        ),
        revoke_note=message.revoke_note,
        disabled=message.disabled,
        superseded_by=message.superseded_by or None,
        supersedes=message.supersedes or None,
        allowed_addresses=tuple(message.allowed_addresses),
        rate_limit=_rate_limit(message.rate_limit) if message.HasField("rate_limit") else None,
    )


def _rate_limit(message: rate_limit_pb2.RateLimit) -> _key_model.RateLimit:
    _from_wire.require(message, "period")
    return _key_model.RateLimit(message.requests, _from_wire.span("period", message.period))


def _secret(secret: str) -> Secret:
    if not secret:
        raise MalformedResponse("the response has no secret")
    return Secret(secret)
