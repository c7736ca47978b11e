"""Questions and verdicts on the wire, alone and in batches."""

from __future__ import annotations

import pytest

from authsvc.domain.denials import DENIALS, Denial, DenialReason, insufficient_scope
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.rpc import (
    time_conversion,
    verdict_conversion,
)
from authsvc.usecases.question import Question, Verdict
from orchestrator.auth.v1 import (
    auth_service_pb2,
    denial_pb2,
    freshness_pb2,
    principal_pb2,
)
from tests.unit.examples import (
    ACCOUNT_ID,
    FAKE_KEY,
    KEY_ID,
    NOW,
    SECOND,
)

FRESHNESS = Freshness(FreshnessSource.CACHE, NOW)


def _response(outcome: Principal | Denial) -> auth_service_pb2.ValidateCredentialResponse:
    serialised = verdict_conversion.validate_credential_response(Verdict(outcome, FRESHNESS))
    return auth_service_pb2.ValidateCredentialResponse.FromString(serialised)


def _principal(**changes: object) -> Principal:
    values: dict[str, object] = {
        "kind": PrincipalKind.API_KEY,
        "account_id": ACCOUNT_ID,
        "scopes": frozenset({"*"}),
        "is_system": False,
        "expire_time": None,
        "key_id": KEY_ID,
    }
    return Principal(**(values | changes))  # type: ignore[arg-type] # the test names them


def test_an_empty_request_asks_for_nothing() -> None:
    request = auth_service_pb2.ValidateCredentialRequest()

    assert verdict_conversion.question(request, "") == Question("", (), NO_DEMAND)


@pytest.mark.parametrize(
    ("requirement", "demand"),
    [
        (freshness_pb2.FreshnessRequirement(), NO_DEMAND),
        (freshness_pb2.FreshnessRequirement(authoritative=False), NO_DEMAND),
        (
            freshness_pb2.FreshnessRequirement(authoritative=True),
            FreshnessDemand(authoritative=True),
        ),
        (
            freshness_pb2.FreshnessRequirement(at_least_revision=0),
            FreshnessDemand(at_least_revision=0),
        ),
    ],
)
def test_every_requirement_of_freshness_is_a_demand(
    requirement: freshness_pb2.FreshnessRequirement, demand: FreshnessDemand
) -> None:
    request = auth_service_pb2.ValidateCredentialRequest(freshness=requirement)

    assert verdict_conversion.question(request, "").demand == demand


def test_a_question_is_converted_whole() -> None:
    request = auth_service_pb2.ValidateCredentialRequest(
        credential=" x\n",
        required_scopes=["a", "b"],
        freshness=freshness_pb2.FreshnessRequirement(at_least_revision=7),
    )

    assert verdict_conversion.question(request, "") == Question(
        " x\n", ("a", "b"), FreshnessDemand(at_least_revision=7)
    )


def test_a_question_does_not_show_its_credential() -> None:
    assert FAKE_KEY not in repr(Question(FAKE_KEY))


@pytest.mark.parametrize("reason", DenialReason)
def test_every_denial_reason_has_a_wire_value(reason: DenialReason) -> None:
    response = _response(DENIALS[reason])

    assert denial_pb2.DenialReason.Name(response.denial.reason) == f"DENIAL_REASON_{reason.name}"


def test_a_denial_is_converted_whole() -> None:
    denial = insufficient_scope(["a"])

    response = _response(denial)

    assert response.denial == denial_pb2.Denial(
        reason=denial_pb2.DENIAL_REASON_INSUFFICIENT_SCOPE,
        message="Insufficient scope",
        http_status=403,
        error="FORBIDDEN",
        www_authenticate=denial.www_authenticate,
    )


def test_a_verdict_says_how_old_it_is() -> None:
    response = _response(DENIALS[DenialReason.KEY_REVOKED])

    assert response.freshness == freshness_pb2.Freshness(
        source=freshness_pb2.FRESHNESS_SOURCE_CACHE, as_of=time_conversion.timestamp(NOW)
    )


@pytest.mark.parametrize("kind", sorted(set(PrincipalKind) - {PrincipalKind.CERTIFICATE}))
def test_a_principals_scopes_are_in_order(kind: PrincipalKind) -> None:
    principal = _principal(kind=kind, scopes=frozenset({"b", "a"}))

    assert list(_response(principal).principal.scopes) == ["a", "b"]


def test_a_principal_is_converted_whole() -> None:
    principal = _principal(
        key_name="ci", expire_time=NOW, metadata={"team": "a"}, user_id="u", session_id="s"
    )

    assert _response(principal) == auth_service_pb2.ValidateCredentialResponse(
        principal=principal_pb2.Principal(
            kind=principal_pb2.PRINCIPAL_KIND_API_KEY,
            account_id=ACCOUNT_ID,
            key_id=KEY_ID,
            key_name="ci",
            user_id="u",
            session_id="s",
            scopes=["*"],
            expire_time=time_conversion.timestamp(NOW),
            metadata={"team": "a"},
        ),
        freshness=freshness_pb2.Freshness(
            source=freshness_pb2.FRESHNESS_SOURCE_CACHE, as_of=time_conversion.timestamp(NOW)
        ),
    )


@pytest.mark.parametrize("source", FreshnessSource)
def test_the_same_principal_says_how_old_each_answer_is(source: FreshnessSource) -> None:
    principal = _principal()
    earlier = Verdict(principal, Freshness(FreshnessSource.DATABASE, NOW - SECOND))
    verdict_conversion.validate_credential_response(earlier)

    serialised = verdict_conversion.validate_credential_response(
        Verdict(principal, Freshness(source, NOW))
    )

    response = auth_service_pb2.ValidateCredentialResponse.FromString(serialised)
    assert freshness_pb2.FreshnessSource.Name(response.freshness.source).endswith(source)
    assert response.freshness.as_of == time_conversion.timestamp(NOW)


def test_two_keys_that_differ_in_one_thing_are_presented_apart() -> None:
    one, other = _principal(key_name="one"), _principal(key_name="other")

    assert [_response(each).principal.key_name for each in (one, other, one)] == [
        "one",
        "other",
        "one",
    ]


# Up to 127 bytes a length takes one byte, up to 16,383 two, and three above.
@pytest.mark.parametrize("length", [0, 1, 127, 128, 129, 16_383, 16_384, 16_385, 100_000])
def test_a_batch_keeps_answers_of_every_length_apart(length: int) -> None:
    wanted = _principal(metadata={"k": "x" * length})
    verdicts = [
        Verdict(DENIALS[DenialReason.KEY_REVOKED], FRESHNESS),
        Verdict(wanted, FRESHNESS),
        Verdict(_principal(), FRESHNESS),
    ]

    batch = auth_service_pb2.BatchValidateCredentialsResponse.FromString(
        verdict_conversion.batch_response(verdicts)
    )

    assert list(batch.responses) == [_response(verdict.outcome) for verdict in verdicts]


@pytest.mark.parametrize("size", [126, 127, 128, 129, 16_382, 16_383, 16_384, 16_385])
def test_a_batch_keeps_answers_apart_at_the_ends_of_each_length(size: int) -> None:
    # Given a principal whose answer has exactly this many bytes
    empty = len(verdict_conversion.validate_credential_response(Verdict(_principal(), FRESHNESS)))
    verdict = next(
        verdict
        for length in range(max(0, size - empty - 20), size)
        if len(
            verdict_conversion.validate_credential_response(
                verdict := Verdict(_principal(key_name="x" * length), FRESHNESS)
            )
        )
        >= size
    )
    serialised = verdict_conversion.validate_credential_response(verdict)
    assert len(serialised) <= size + 2

    batch = auth_service_pb2.BatchValidateCredentialsResponse.FromString(
        verdict_conversion.batch_response([verdict, verdict])
    )

    assert list(batch.responses) == [_response(verdict.outcome)] * 2


def test_an_empty_batch_has_no_answers() -> None:
    assert verdict_conversion.batch_response([]) == b""
