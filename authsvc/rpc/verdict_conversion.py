"""Between questions and verdicts and their wire messages, and nothing else."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Final

from authsvc.domain.denials import Denial
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.rpc.time_conversion import duration, optional_timestamp, timestamp
from authsvc.rpc.undecided_conversion import undecided_response
from authsvc.usecases.judge_batch import Undecided
from authsvc.usecases.question import Question, Verdict
from orchestrator.auth.v1 import auth_service_pb2, denial_pb2, freshness_pb2, principal_pb2

_FIELD_1: Final = b"\x0a"

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


def _demand(requirement: freshness_pb2.FreshnessRequirement) -> FreshnessDemand:
    if requirement.HasField("at_least_revision"):
        return FreshnessDemand(at_least_revision=requirement.at_least_revision)
    return FreshnessDemand(authoritative=True) if requirement.authoritative else NO_DEMAND


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


def denial_message(denial: Denial) -> denial_pb2.Denial:
    """Convert a denial."""
    return denial_pb2.Denial(
        reason=denial_reason(denial.reason.name),
        message=denial.reason.message,
        http_status=denial.reason.http_status,
        error=denial.error,
        www_authenticate=denial.www_authenticate,
        retry_after=None if denial.retry_after is None else duration(denial.retry_after),
    )


def denial_reason(name: str) -> denial_pb2.DenialReason.ValueType:
    """Convert the name of a reason; one that is not known becomes UNSPECIFIED."""
    return _DENIAL_REASONS.get(name, denial_pb2.DENIAL_REASON_UNSPECIFIED)


def freshness_message(freshness: Freshness) -> freshness_pb2.Freshness:
    """Convert the age of an answer."""
    return freshness_pb2.Freshness(
        source=_FRESHNESS_SOURCES[freshness.source],
        as_of=timestamp(freshness.as_of),
    )
