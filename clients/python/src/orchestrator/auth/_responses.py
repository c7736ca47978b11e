"""Reads the response messages of the calls that judge credentials or watch. Depends on protobuf.

Fails closed: a response without what its contract calls always set is a `MalformedResponse`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from orchestrator.auth import _enums, _events, _from_wire, _key_responses, _model
from orchestrator.auth._error_reasons import ErrorReason
from orchestrator.auth._errors import CredentialDenied, MalformedResponse, Unavailable
from orchestrator.auth._finding_codes import FindingCode
from orchestrator.auth.v1 import (
    denial_pb2,
    error_reason_pb2,
    explanation_pb2,
    freshness_pb2,
    principal_pb2,
)

if TYPE_CHECKING:
    from orchestrator.auth.v1 import auth_service_pb2, undecided_pb2

_PRINCIPAL_KINDS: Final = _from_wire.table(
    _enums.PrincipalKind, principal_pb2.PrincipalKind.items(), "PRINCIPAL_KIND_"
)
_DENIAL_REASONS: Final = _from_wire.table(
    _enums.DenialReason, denial_pb2.DenialReason.items(), "DENIAL_REASON_"
)
_FRESHNESS_SOURCES: Final = _from_wire.table(
    _enums.FreshnessSource, freshness_pb2.FreshnessSource.items(), "FRESHNESS_SOURCE_"
)
_ERROR_REASONS: Final = _from_wire.table(
    ErrorReason, error_reason_pb2.ErrorReason.items(), "ERROR_REASON_"
)
_FINDING_CODES: Final = _from_wire.table(
    FindingCode, explanation_pb2.FindingCode.items(), "FINDING_CODE_"
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
    _from_wire.require(response, "freshness")
    freshness = _model.Freshness(
        source=_FRESHNESS_SOURCES.get(response.freshness.source, _enums.FreshnessSource.UNKNOWN),
        as_of=_from_wire.moment(response.freshness, "as_of", response.freshness.as_of),
    )
    return _model.Verdict(outcome, freshness)


def verdicts(
    response: auth_service_pb2.BatchValidateCredentialsResponse, questions: int
) -> list[_model.Verdict | _model.Undecided]:
    """Read the response of BatchValidateCredentials to so many questions.

    Raises:
        MalformedResponse: There is not one verdict for each, or one is malformed.
    """
    # A verdict for another credential would be taken for this one's.
    if len(response.responses) != questions:
        raise MalformedResponse("the response has not one verdict for each question")
    return [
        _undecided(one.undecided) if one.HasField("undecided") else verdict(one)
        for one in response.responses
    ]


def explanation(response: auth_service_pb2.ExplainCredentialResponse) -> _model.Explanation:
    """Read the response of ExplainCredential.

    Raises:
        MalformedResponse: Its verdict or its key is malformed.
    """
    return _model.Explanation(
        verdict=verdict(response),
        findings=tuple(map(_finding, response.findings)),
        hint=response.hint,
        key=_key_responses.key_of(response.key) if response.HasField("key") else None,
        missing_scopes=tuple(response.missing_scopes),
    )


def event(response: auth_service_pb2.WatchRevocationsResponse) -> _events.Event:
    """Read a response of WatchRevocations; one of a kind that is not known is a reset.

    Raises:
        MalformedResponse: It lacks what it must have.
    """
    told: _events.Event
    revision = response.revision
    match response.WhichOneof("event"):
        case "key_revoked":
            revoked = response.key_revoked
            told = _events.KeyRevoked(_named(revoked.key_id), revoked.account_id, revision)
        case "key_changed":
            changed = response.key_changed
            told = _events.KeyChanged(_named(changed.key_id), changed.account_id, revision)
        case "account_changed":
            told = _events.AccountChanged(_named(response.account_changed.account_id), revision)
        case "user_changed":
            user = response.user_changed
            told = _events.UserChanged(_named(user.user_id), user.account_id, revision)
        case "session_revoked":
            session = response.session_revoked
            told = _events.SessionRevoked(
                _named(session.session_id), session.user_id, session.account_id, revision
            )
        case "heartbeat":
            heartbeat = response.heartbeat
            told = _events.Heartbeat(
                _from_wire.moment(heartbeat, "as_of", heartbeat.as_of), revision
            )
        case _:
            told = _events.Reset(revision)
    return told


def principal_of(verdict: _model.Verdict) -> _model.Principal:
    """Return the principal.

    Raises:
        CredentialDenied: It is a denial.
    """
    if isinstance(verdict.outcome, _model.Denial):
        raise CredentialDenied(verdict.outcome, verdict.freshness)
    return verdict.outcome


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
        expire_time=_from_wire.optional_moment(message, "expire_time", message.expire_time),
        metadata=dict(message.metadata),
        superseded_by=message.superseded_by,
        retire_time=_from_wire.optional_moment(message, "retire_time", message.retire_time),
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
        retry_after=(
            _from_wire.span("retry_after", message.retry_after)
            if message.HasField("retry_after")
            else None
        ),
    )


def _finding(message: explanation_pb2.Finding) -> _model.Finding:
    return _model.Finding(
        code=_FINDING_CODES.get(message.code, FindingCode.UNKNOWN),
        text=message.text,
        position=message.position if message.HasField("position") else None,
        length=message.length if message.HasField("length") else None,
        claim=message.claim or None,
        issuer=message.issuer or None,
    )


def _undecided(undecided: undecided_pb2.Undecided) -> _model.Undecided:
    _from_wire.require(undecided, "retry_delay")
    error = Unavailable(
        "Nobody can tell right now whether this credential is good; try again.",
        reason=_ERROR_REASONS.get(undecided.reason),
        retry_delay=_from_wire.span("retry_delay", undecided.retry_delay),
    )
    return _model.Undecided(error)
