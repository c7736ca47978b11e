"""Reads the response messages into the clients' own values. Depends on protobuf.

Fails closed: a response without what its contract calls always set is a `MalformedResponse`.
"""

from __future__ import annotations

from datetime import UTC
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from orchestrator.auth import _enums, _events, _model
from orchestrator.auth._errors import CredentialDenied, MalformedResponse
from orchestrator.auth._secret import Secret
from orchestrator.auth.v1 import (
    account_pb2,
    denial_pb2,
    explanation_pb2,
    freshness_pb2,
    key_pb2,
    principal_pb2,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from orchestrator.auth.v1 import (
        account_service_pb2,
        auth_service_pb2,
        key_management_pb2,
        key_rotation_pb2,
    )

_Word = TypeVar("_Word", bound=_enums._Word)  # noqa: SLF001 - the same package


def _table(kind: type[_Word], values: Iterable[tuple[str, int]], prefix: str) -> dict[int, _Word]:
    return {number: kind(name.removeprefix(prefix)) for name, number in values}


_PRINCIPAL_KINDS: Final = _table(
    _enums.PrincipalKind, principal_pb2.PrincipalKind.items(), "PRINCIPAL_KIND_"
)
_DENIAL_REASONS: Final = _table(
    _enums.DenialReason, denial_pb2.DenialReason.items(), "DENIAL_REASON_"
)
_FRESHNESS_SOURCES: Final = _table(
    _enums.FreshnessSource, freshness_pb2.FreshnessSource.items(), "FRESHNESS_SOURCE_"
)
_FINDING_CODES: Final = _table(
    _enums.FindingCode, explanation_pb2.FindingCode.items(), "FINDING_CODE_"
)
_KEY_STATES: Final = _table(_enums.KeyState, key_pb2.KeyState.items(), "KEY_STATE_")
_REVOCATION_REASONS: Final = _table(
    _enums.RevocationReason, key_pb2.RevocationReason.items(), "REVOCATION_REASON_"
)
_ACCOUNT_STATES: Final = _table(
    _enums.AccountState, account_pb2.AccountState.items(), "ACCOUNT_STATE_"
)


def verdict(
    response: (
        auth_service_pb2.ValidateCredentialResponse | auth_service_pb2.ExplainCredentialResponse
    ),
) -> _model.Verdict:
    """Read the response of ValidateCredential, or what that of ExplainCredential has of it.

    Raises:
        MalformedResponse: Neither outcome is set, or one lacks what it must have.
    """
    outcome: _model.Principal | _model.Denial
    match response.WhichOneof("outcome"):
        case "principal":
            outcome = _principal(response.principal)
        case "denial":
            outcome = _denial(response.denial)
        case _:
            raise MalformedResponse("the response has neither a principal nor a denial")
    _require(response, "freshness")
    freshness = _model.Freshness(
        source=_FRESHNESS_SOURCES.get(response.freshness.source, _enums.FreshnessSource.UNKNOWN),
        as_of=_always(response.freshness, "as_of", response.freshness.as_of),
    )
    return _model.Verdict(outcome, freshness)


def verdicts(
    response: auth_service_pb2.BatchValidateCredentialsResponse, questions: int
) -> list[_model.Verdict]:
    """Read the response of BatchValidateCredentials to so many questions.

    Raises:
        MalformedResponse: There is not one verdict for each, or one is malformed.
    """
    # A verdict for another credential would be taken for this one's.
    if len(response.responses) != questions:
        raise MalformedResponse("the response has not one verdict for each question")
    return [verdict(one) for one in response.responses]


def explanation(response: auth_service_pb2.ExplainCredentialResponse) -> _model.Explanation:
    """Read the response of ExplainCredential.

    Raises:
        MalformedResponse: Its verdict or its key is malformed.
    """
    return _model.Explanation(
        verdict=verdict(response),
        findings=tuple(map(_finding, response.findings)),
        hint=response.hint,
        key=_key(response.key) if response.HasField("key") else None,
        missing_scopes=tuple(response.missing_scopes),
    )


def event(response: auth_service_pb2.WatchRevocationsResponse) -> _events.Event:
    """Read a response of WatchRevocations; one of a kind that is not known is a reset.

    Raises:
        MalformedResponse: It lacks what it must have.
    """
    revision = response.revision
    match response.WhichOneof("event"):
        case "key_revoked":
            revoked = response.key_revoked
            return _events.KeyRevoked(_named(revoked.key_id), revoked.account_id, revision)
        case "key_changed":
            changed = response.key_changed
            return _events.KeyChanged(_named(changed.key_id), changed.account_id, revision)
        case "account_changed":
            return _events.AccountChanged(_named(response.account_changed.account_id), revision)
        case "heartbeat":
            heartbeat = response.heartbeat
            return _events.Heartbeat(_always(heartbeat, "as_of", heartbeat.as_of), revision)
        case _:
            return _events.Reset(revision)


def principal_of(verdict: _model.Verdict) -> _model.Principal:
    """Return the principal.

    Raises:
        CredentialDenied: It is a denial.
    """
    if isinstance(verdict.outcome, _model.Denial):
        raise CredentialDenied(verdict.outcome, verdict.freshness)
    return verdict.outcome


def created_key(response: auth_service_pb2.CreateKeyResponse) -> _model.CreatedKey:
    """Read the response of CreateKey."""
    _require(response, "key")
    return _model.CreatedKey(_key(response.key), _secret(response.secret), response.revision)


def rotated_key(response: key_rotation_pb2.RotateKeyResponse) -> _model.RotatedKey:
    """Read the response of RotateKey."""
    _require(response, "key")
    _require(response, "retired_key")
    return _model.RotatedKey(
        key=_key(response.key),
        secret=_secret(response.secret),
        retired_key=_key(response.retired_key),
        revision=response.revision,
    )


def key(response: key_management_pb2.GetKeyResponse) -> _model.Key:
    """Read the response of GetKey."""
    _require(response, "key")
    return _key(response.key)


def keys(
    response: key_management_pb2.ListKeysResponse, page_token: str
) -> tuple[list[_model.Key], str]:
    """Read a page of ListKeys, asked for by `page_token`, and the token of the next.

    Raises:
        MalformedResponse: The page is to be followed by itself, for ever.
    """
    if response.next_page_token and response.next_page_token == page_token:
        raise MalformedResponse("a page of keys names itself as the next one")
    return [_key(message) for message in response.keys], response.next_page_token


def updated_key(response: key_management_pb2.UpdateKeyResponse) -> _model.UpdatedKey:
    """Read the response of UpdateKey."""
    _require(response, "key")
    return _model.UpdatedKey(_key(response.key), response.revision)


def revoked_key(response: auth_service_pb2.RevokeKeyResponse) -> _model.RevokedKey:
    """Read the response of RevokeKey."""
    _require(response, "key")
    return _model.RevokedKey(_key(response.key), response.revision)


def account(
    response: account_service_pb2.CreateAccountResponse | account_service_pb2.GetAccountResponse,
) -> _model.Account:
    """Read the response of CreateAccount or GetAccount."""
    _require(response, "account")
    return _account(response.account)


def accounts(
    response: account_service_pb2.ListAccountsResponse, page_token: str
) -> tuple[list[_model.Account], str]:
    """Read a page of ListAccounts, asked for by `page_token`, and the token of the next.

    Raises:
        MalformedResponse: The page is to be followed by itself, for ever.
    """
    if response.next_page_token and response.next_page_token == page_token:
        raise MalformedResponse("a page of accounts names itself as the next one")
    return [_account(message) for message in response.accounts], response.next_page_token


def _secret(secret: str) -> Secret:
    if not secret:
        raise MalformedResponse("the response has no secret")
    return Secret(secret)


def _named(identifier: str) -> str:
    if not identifier:
        raise MalformedResponse("the event does not say what it is about")
    return identifier


def _principal(message: principal_pb2.Principal) -> _model.Principal:
    if not message.account_id:
        raise MalformedResponse("the principal has no account_id")
    return _model.Principal(
        kind=_PRINCIPAL_KINDS.get(message.kind, _enums.PrincipalKind.UNKNOWN),
        account_id=message.account_id,
        key_id=message.key_id or None,
        key_name=message.key_name or None,
        user_id=message.user_id or None,
        session_id=message.session_id or None,
        scopes=tuple(message.scopes),
        expire_time=_optional(message, "expire_time", message.expire_time),
        metadata=dict(message.metadata),
        superseded_by=message.superseded_by,
        retire_time=_optional(message, "retire_time", message.retire_time),
    )


def _denial(message: denial_pb2.Denial) -> _model.Denial:
    # Pasted into a response, any status outside the 400s would tell the client the wrong thing.
    if not HTTPStatus.BAD_REQUEST <= message.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise MalformedResponse("the denial's http_status is not in the 400s")
    return _model.Denial(
        reason=_DENIAL_REASONS.get(message.reason, _enums.DenialReason.UNKNOWN),
        message=message.message,
        http_status=message.http_status,
        error=message.error,
        www_authenticate=message.www_authenticate or None,
        retry_after=_span(message.retry_after) if message.HasField("retry_after") else None,
    )


def _finding(message: explanation_pb2.Finding) -> _model.Finding:
    return _model.Finding(
        code=_FINDING_CODES.get(message.code, _enums.FindingCode.UNKNOWN),
        text=message.text,
        position=message.position if message.HasField("position") else None,
        length=message.length if message.HasField("length") else None,
        claim=message.claim or None,
    )


def _key(message: key_pb2.Key) -> _model.Key:
    return _model.Key(
        key_id=message.key_id,
        account_id=message.account_id,
        name=message.name,
        scopes=tuple(message.scopes),
        state=_KEY_STATES.get(message.state, _enums.KeyState.UNKNOWN),
        hint=message.hint,
        create_time=_always(message, "create_time", message.create_time),
        expire_time=_optional(message, "expire_time", message.expire_time),
        revoke_time=_optional(message, "revoke_time", message.revoke_time),
        last_use_time=_optional(message, "last_use_time", message.last_use_time),
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
    )


def _account(message: account_pb2.Account) -> _model.Account:
    return _model.Account(
        account_id=message.account_id,
        display_name=message.display_name,
        state=_ACCOUNT_STATES.get(message.state, _enums.AccountState.UNKNOWN),
        create_time=_always(message, "create_time", message.create_time),
    )


def _require(message: Message, field: str) -> None:
    if not message.HasField(field):
        raise MalformedResponse(f"the {message.DESCRIPTOR.name} has no {field}")


def _always(message: Message, field: str, timestamp: Timestamp) -> datetime:
    _require(message, field)
    try:
        return timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedResponse(f"{field} is not a moment that exists") from error


def _optional(message: Message, field: str, timestamp: Timestamp) -> datetime | None:
    return _always(message, field, timestamp) if message.HasField(field) else None


def _span(duration: Duration) -> timedelta:
    try:
        return duration.ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise MalformedResponse("retry_after is not a span that exists") from error
