"""Between wire messages and domain values, and nothing else."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from authsvc.domain.accounts import Account
from authsvc.domain.changes import Change, ChangeKind
from authsvc.domain.denials import Denial
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.keys import Key, KeyState, RevocationReason
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.domain.rate_limits import RateLimit
from authsvc.rpc.undecided_conversion import undecided_response
from authsvc.usecases.create_key import CreateKeyCommand
from authsvc.usecases.judge_batch import Undecided
from authsvc.usecases.question import Question, Verdict
from authsvc.usecases.revoke_key import RevokeKeyCommand
from authsvc.usecases.watch_revocations import Event, Heartbeat, Reset
from orchestrator.auth.v1 import (
    account_pb2,
    auth_service_pb2,
    denial_pb2,
    freshness_pb2,
    key_pb2,
    principal_pb2,
    rate_limit_pb2,
)

_NANOS: Final = 1_000_000_000
_FIELD_1: Final = b"\x0a"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)

_DENIAL_REASONS: Final = {
    name.removeprefix("DENIAL_REASON_"): value for name, value in denial_pb2.DenialReason.items()
}
_PRINCIPAL_KINDS: Mapping[PrincipalKind, principal_pb2.PrincipalKind.ValueType] = {
    kind: principal_pb2.PrincipalKind.Value(f"PRINCIPAL_KIND_{kind}")
    for kind in PrincipalKind
    # No answer is about one.
    if kind is not PrincipalKind.CERTIFICATE
}
_FRESHNESS_SOURCES = {
    source: freshness_pb2.FreshnessSource.Value(f"FRESHNESS_SOURCE_{source}")
    for source in FreshnessSource
}
REVOCATION_REASONS: Final = {
    value: RevocationReason(name.removeprefix("REVOCATION_REASON_"))
    for name, value in key_pb2.RevocationReason.items()
}


def timestamp(moment: datetime) -> Timestamp:
    """Convert an aware datetime."""
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


def to_datetime(value: Timestamp) -> datetime:
    """Convert a timestamp; one that no datetime can hold becomes the first or the last one.

    So bounds are checked in one place, where the request is, and conversion cannot fail.
    """
    if not 0 <= value.nanos < _NANOS:
        return _FIRST
    try:
        return _EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1_000)
    except OverflowError:
        return _FIRST if value.seconds < 0 else _LAST


def to_timedelta(value: Duration) -> timedelta:
    """Convert a duration; one that no timedelta can hold becomes the least or the greatest."""
    if abs(value.nanos) >= _NANOS:
        return timedelta.min
    try:
        return timedelta(seconds=value.seconds, microseconds=value.nanos // 1_000)
    except OverflowError:
        return timedelta.min if value.seconds < 0 else timedelta.max


def to_rate_limit(message: rate_limit_pb2.RateLimit) -> RateLimit:
    """Convert a rate limit, within bounds or not."""
    return RateLimit(message.requests, to_timedelta(message.period))


def question(request: auth_service_pb2.ValidateCredentialRequest, caller_id: str) -> Question:
    """Convert a request of ValidateCredential, and note who makes it."""
    scopes = request.required_scopes
    return Question(
        request.credential,
        tuple(scopes) if scopes else (),
        _demand(request.freshness) if request.HasField("freshness") else NO_DEMAND,
        request.context.client_ip if request.HasField("context") else "",
        caller_id,
    )


def validate_credential_response(verdict: Verdict) -> bytes:
    """Convert a verdict to a serialised `ValidateCredentialResponse`.

    Its two parts rarely change from call to call, so each is serialised once and they are joined:
    the fields of a message may be given in parts (protobuf encoding, "last one wins").
    """
    outcome, freshness = verdict
    present = _present_principal if isinstance(outcome, Principal) else _present_denial
    return outcome.presented(present) + freshness.presented(_present_freshness)


def batch_response(verdicts: Iterable[Verdict | Undecided]) -> bytes:
    """Convert verdicts to a serialised `BatchValidateCredentialsResponse`.

    Each is a repeated field 1 of wire type 2: its tag, its length, its bytes.
    """
    parts: list[bytes] = []
    for verdict in verdicts:
        if isinstance(verdict, Undecided):
            undecided = undecided_response(verdict)
            parts += (_entry_head(len(undecided)), undecided)
            continue
        outcome, freshness = verdict
        present = _present_principal if isinstance(outcome, Principal) else _present_denial
        first, second = outcome.presented(present), freshness.presented(_present_freshness)
        parts += (_entry_head(len(first) + len(second)), first, second)
    return b"".join(parts)


def watch_response(event: Event) -> auth_service_pb2.WatchRevocationsResponse:
    """Convert an event of the change log."""
    response = auth_service_pb2.WatchRevocationsResponse(revision=event.revision)
    match event:
        case Reset():
            response.reset.SetInParent()
        case Heartbeat():
            response.heartbeat.as_of.CopyFrom(timestamp(event.as_of))
        case Change(kind=ChangeKind.KEY_REVOKED):
            response.key_revoked.key_id = event.key_id
            response.key_revoked.account_id = event.account_id
        case Change(kind=ChangeKind.SESSION_REVOKED):
            response.session_revoked.session_id = event.session_id
            response.session_revoked.user_id = event.user_id
            response.session_revoked.account_id = event.account_id
        case Change() if event.user_id:
            response.user_changed.user_id = event.user_id
            response.user_changed.account_id = event.account_id
        case Change() if event.key_id:
            response.key_changed.key_id = event.key_id
            response.key_changed.account_id = event.account_id
        case Change():
            response.account_changed.account_id = event.account_id
    return response


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


def revoke_key_command(request: auth_service_pb2.RevokeKeyRequest) -> RevokeKeyCommand:
    """Convert a request of RevokeKey."""
    return RevokeKeyCommand(
        key_id=request.key_id if request.HasField("key_id") else None,
        secret=request.secret if request.HasField("secret") else None,
        reason=REVOCATION_REASONS.get(request.reason),
        note=request.note,
    )


def account_message(account: Account) -> account_pb2.Account:
    """Convert an account."""
    return account_pb2.Account(
        account_id=account.account_id,
        display_name=account.display_name,
        state=account_pb2.AccountState.Value(f"ACCOUNT_STATE_{account.state}"),
        create_time=timestamp(account.create_time),
        etag=account.etag,
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


def _optional_rate_limit(limit: RateLimit | None) -> rate_limit_pb2.RateLimit | None:
    if limit is None:
        return None
    return rate_limit_pb2.RateLimit(requests=limit.requests, period=_duration(limit.period))


def _duration(span: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(span)
    return duration


def optional_timestamp(moment: datetime | None) -> Timestamp | None:
    """Convert a moment that may be missing."""
    return None if moment is None else timestamp(moment)


def principal_message(principal: Principal) -> principal_pb2.Principal:
    """Convert who a good credential stands for."""
    return principal_pb2.Principal(
        kind=_PRINCIPAL_KINDS[principal.kind],
        account_id=principal.account_id,
        key_id=principal.key_id,
        key_name=principal.key_name,
        user_id=principal.user_id,
        session_id=principal.session_id,
        scopes=sorted(principal.scopes),
        expire_time=optional_timestamp(principal.expire_time),
        metadata=principal.metadata,
        superseded_by=principal.superseded_by,
        retire_time=optional_timestamp(principal.retire_time),
    )


@functools.lru_cache(maxsize=1024)
def _entry_head(length: int) -> bytes:
    return _FIELD_1 + _varint(length)


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits to a group
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _present_principal(principal: Principal) -> bytes:
    return auth_service_pb2.ValidateCredentialResponse(
        principal=principal_message(principal)
    ).SerializeToString()


def _present_denial(denial: Denial) -> bytes:
    return auth_service_pb2.ValidateCredentialResponse(
        denial=denial_message(denial)
    ).SerializeToString()


def _present_freshness(freshness: Freshness) -> bytes:
    return auth_service_pb2.ValidateCredentialResponse(
        freshness=freshness_message(freshness)
    ).SerializeToString()


def denial_reason(name: str) -> denial_pb2.DenialReason.ValueType:
    """Convert the name of a reason; one that is not known becomes UNSPECIFIED."""
    return _DENIAL_REASONS.get(name, denial_pb2.DENIAL_REASON_UNSPECIFIED)


def denial_message(denial: Denial) -> denial_pb2.Denial:
    """Convert a denial."""
    return denial_pb2.Denial(
        reason=denial_reason(denial.reason.name),
        message=denial.reason.message,
        http_status=denial.reason.http_status,
        error=denial.error,
        www_authenticate=denial.www_authenticate,
        retry_after=None if denial.retry_after is None else _duration(denial.retry_after),
    )


def _demand(requirement: freshness_pb2.FreshnessRequirement) -> FreshnessDemand:
    if requirement.HasField("at_least_revision"):
        return FreshnessDemand(at_least_revision=requirement.at_least_revision)
    return FreshnessDemand(authoritative=True) if requirement.authoritative else NO_DEMAND


def freshness_message(freshness: Freshness) -> freshness_pb2.Freshness:
    """Convert the age of an answer."""
    return freshness_pb2.Freshness(
        source=_FRESHNESS_SOURCES[freshness.source],
        as_of=timestamp(freshness.as_of),
    )
