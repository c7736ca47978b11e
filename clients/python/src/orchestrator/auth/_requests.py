"""Builds the request messages from the clients' arguments. Depends on protobuf.

What is checked here is what the wire cannot carry or would turn into something else without a
word; bounds are the server's to check, so that they can change without a new client.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth._enums import KeyState, RevocationReason
from orchestrator.auth._model import Question, Unset
from orchestrator.auth._secret import Secret, revealed
from orchestrator.auth.v1 import (
    account_service_pb2,
    auth_service_pb2,
    freshness_pb2,
    key_management_pb2,
    key_pb2,
    key_rotation_pb2,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime, timedelta

    from orchestrator.auth._model import RequestContext


def validate_credential(question: Question) -> auth_service_pb2.ValidateCredentialRequest:
    """Build the request of ValidateCredential; None and "" mean that there was no header."""
    authoritative, at_least_revision = question.authoritative, question.at_least_revision
    if authoritative and at_least_revision is not None:
        raise ValueError("at_least_revision and authoritative exclude each other")
    request = auth_service_pb2.ValidateCredentialRequest(
        credential=_credential(question.authorization),
        required_scopes=_scopes(question.required_scopes, "required_scopes"),
    )
    if question.context is not None:
        request.context.CopyFrom(_context(question.context))
    if at_least_revision is not None:
        requirement = freshness_pb2.FreshnessRequirement(at_least_revision=at_least_revision)
        request.freshness.CopyFrom(requirement)
    elif authoritative:
        request.freshness.authoritative = True
    return request


def batch_validate_credentials(
    questions: Iterable[Question | Secret | str | None],
) -> auth_service_pb2.BatchValidateCredentialsRequest:
    """Build the request of BatchValidateCredentials; a bare credential has no demands."""
    # A str is a sequence of its characters; taken as one, each would be judged.
    if isinstance(questions, str):
        raise TypeError("questions is a sequence of credentials or Questions, not a str")
    return auth_service_pb2.BatchValidateCredentialsRequest(
        requests=[
            validate_credential(one if isinstance(one, Question) else Question(one))
            for one in questions
        ]
    )


def explain_credential(
    authorization: Secret | str | None,
    *,
    required_scopes: Collection[str],
    context: RequestContext | None,
) -> auth_service_pb2.ExplainCredentialRequest:
    """Build the request of ExplainCredential; None and "" mean that there was no header."""
    request = auth_service_pb2.ExplainCredentialRequest(
        credential=_credential(authorization),
        required_scopes=_scopes(required_scopes, "required_scopes"),
    )
    if context is not None:
        request.context.CopyFrom(_context(context))
    return request


def create_key(
    name: str,
    *,
    account_id: str | None,
    scopes: Collection[str],
    expire_time: datetime | None,
    ttl: timedelta | None,
    metadata: Mapping[str, str] | None,
    request_id: str | None,
) -> auth_service_pb2.CreateKeyRequest:
    """Build the request of CreateKey, with a request id in any case."""
    request = auth_service_pb2.CreateKeyRequest(
        account_id=account_id or "",
        name=name,
        scopes=_scopes(scopes, "scopes"),
        metadata=metadata or {},
        request_id=_request_id(request_id),
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
    request = key_rotation_pb2.RotateKeyRequest(key_id=key_id, request_id=_request_id(request_id))
    # No overlap at all is an answer of its own: unset, it is the server's default.
    if overlap is not None:
        request.overlap.CopyFrom(_duration(overlap))
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
        request.last_used_before.CopyFrom(_timestamp(last_used_before, "last_used_before"))
    if expiring_before is not None:
        request.expiring_before.CopyFrom(_timestamp(expiring_before, "expiring_before"))
    return request


def update_key(
    key_id: str,
    *,
    name: str | Unset,
    scopes: Collection[str] | Unset,
    expire_time: datetime | Unset | None,
    metadata: Mapping[str, str] | Unset,
    disabled: bool | Unset,
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
        request.key.scopes.extend(_scopes(scopes, "scopes"))
        paths.append("scopes")
    if not isinstance(expire_time, Unset):
        if expire_time is not None:
            request.key.expire_time.CopyFrom(_timestamp(expire_time))
        paths.append("expire_time")
    if not isinstance(metadata, Unset):
        request.key.metadata.update(metadata)
        paths.append("metadata")
    if not isinstance(disabled, Unset):
        request.key.disabled = disabled
        paths.append("disabled")
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
    request = auth_service_pb2.RevokeKeyRequest(note=note)
    if key_id is not None:
        request.key_id = key_id
    if secret is not None:
        request.secret = _encodable(revealed(secret))
    if reason is not None:
        if RevocationReason(reason) is RevocationReason.UNKNOWN:
            raise ValueError("reason is not a RevocationReason that can be sent")
        request.reason = key_pb2.RevocationReason.Value(f"REVOCATION_REASON_{reason}")
    return request


def create_account(display_name: str) -> account_service_pb2.CreateAccountRequest:
    """Build the request of CreateAccount."""
    return account_service_pb2.CreateAccountRequest(display_name=display_name)


def get_account(account_id: str) -> account_service_pb2.GetAccountRequest:
    """Build the request of GetAccount."""
    return account_service_pb2.GetAccountRequest(account_id=account_id)


def list_accounts(page_size: int, page_token: str) -> account_service_pb2.ListAccountsRequest:
    """Build the request of ListAccounts for one page."""
    return account_service_pb2.ListAccountsRequest(page_size=page_size, page_token=page_token)


def _credential(authorization: Secret | str | None) -> str:
    if authorization is not None and not isinstance(authorization, Secret | str):
        raise TypeError(
            f"authorization is a str, a Secret or None, not {type(authorization).__name__}"
        )
    return _encodable(None if authorization is None else revealed(authorization))


def _context(context: RequestContext) -> auth_service_pb2.RequestContext:
    return auth_service_pb2.RequestContext(
        client_ip=_encodable(context.client_ip),
        user_agent=_encodable(context.user_agent),
        method=_encodable(context.method),
    )


def _scopes(scopes: Collection[str], argument: str) -> list[str]:
    # A str is a collection of its characters; taken as one, it would ask for other scopes.
    if isinstance(scopes, str):
        raise TypeError(f"{argument} is a collection of scopes, not a str")
    return list(scopes)


def _request_id(request_id: str | None) -> str:
    # Without one, a retry after a lost answer would be another request.
    if request_id is None:
        return str(uuid.uuid4())
    if not request_id:
        raise ValueError("request_id is empty; leave it out to have one made")
    return request_id


def _set_expiry(
    request: auth_service_pb2.CreateKeyRequest | key_rotation_pb2.RotateKeyRequest,
    expire_time: datetime | None,
    ttl: timedelta | None,
) -> None:
    if expire_time is not None and ttl is not None:
        raise ValueError("expire_time and ttl exclude each other")
    if expire_time is not None:
        request.expire_time.CopyFrom(_timestamp(expire_time))
    if ttl is not None:
        request.ttl.CopyFrom(_duration(ttl))


def _duration(span: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(span)
    return duration


def _timestamp(moment: datetime, argument: str = "expire_time") -> Timestamp:
    # protobuf takes a naive datetime for UTC, while most naive ones are local.
    if moment.tzinfo is None:
        raise ValueError(f"{argument} has no time zone; use an aware datetime")
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def _encodable(text: str | None) -> str:
    # Header values may hold lone surrogates (undecodable octets), which protobuf refuses with an
    # error that quotes the whole text. They become `?`, which no good credential contains.
    return (text or "").encode("utf-8", "replace").decode("utf-8")
