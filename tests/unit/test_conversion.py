"""Between wire messages and domain values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.accounts import AccountState
from authsvc.domain.changes import Change, ChangeKind
from authsvc.domain.denials import DENIALS, Denial, DenialReason, insufficient_scope
from authsvc.domain.findings import FindingCode
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.keys import Key, RevocationReason
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.domain.rate_limits import RateLimit
from authsvc.rpc import (
    account_conversion,
    key_conversion,
    time_conversion,
    verdict_conversion,
    watch_conversion,
)
from authsvc.usecases.create_key import CreateKeyCommand
from authsvc.usecases.question import Question, Verdict
from authsvc.usecases.revoke_key import RevokeKeyCommand
from orchestrator.auth.v1 import (
    account_pb2,
    auth_service_pb2,
    denial_pb2,
    explanation_pb2,
    freshness_pb2,
    key_management_pb2,
    key_pb2,
    principal_pb2,
    rate_limit_pb2,
)
from tests.unit.examples import (
    ACCOUNT_ID,
    FAKE_KEY,
    KEY_ID,
    NOW,
    SECOND,
    SESSION_ID,
    USER_ID,
    an_account,
)

int64 = st.integers(-(2**63), 2**63 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
FRESHNESS = Freshness(FreshnessSource.CACHE, NOW)
T_2026 = int(NOW.timestamp())


def _key(**changes: object) -> Key:
    values: dict[str, object] = {
        "key_id": KEY_ID,
        "account_id": ACCOUNT_ID,
        "name": "ci",
        "scopes": ("a", "b"),
        "hint": "orch_0000…0001",
        "create_time": NOW,
        "expire_time": None,
        "metadata": {"team": "a"},
        "revision": 31,
    }
    return Key(**(values | changes))  # type: ignore[arg-type] # the test names them


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


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_comes_back_as_it_was(moment: datetime) -> None:
    assert time_conversion.to_datetime(time_conversion.timestamp(moment)) == moment


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    moment = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert time_conversion.timestamp(moment) == time_conversion.timestamp(NOW)


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_nanoseconds_of_a_moment_are_never_negative(moment: datetime) -> None:
    assert 0 <= time_conversion.timestamp(moment).nanos < 1_000_000_000


@given(int64, int32)
def test_every_timestamp_is_a_moment(seconds: int, nanos: int) -> None:
    assert time_conversion.to_datetime(Timestamp(seconds=seconds, nanos=nanos)).tzinfo is UTC


@given(int64, int32)
def test_every_duration_is_a_timedelta(seconds: int, nanos: int) -> None:
    converted = time_conversion.to_timedelta(Duration(seconds=seconds, nanos=nanos))

    assert timedelta.min <= converted <= timedelta.max


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        (2**63 - 1, datetime.max.replace(tzinfo=UTC)),
        (-(2**63), datetime.min.replace(tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_timestamp_beyond_the_calendar_is_its_end(seconds: int, moment: datetime) -> None:
    assert time_conversion.to_datetime(Timestamp(seconds=seconds)) == moment


@pytest.mark.parametrize(
    ("seconds", "span"),
    [(2**63 - 1, timedelta.max), (-(2**63), timedelta.min), (90, timedelta(seconds=90))],
)
def test_a_duration_beyond_all_bounds_is_the_greatest(seconds: int, span: timedelta) -> None:
    assert time_conversion.to_timedelta(Duration(seconds=seconds)) == span


@pytest.mark.parametrize("nanos", [-(2**31), -1, 1_000_000_000, 2**31 - 1])
def test_a_timestamp_with_nanos_out_of_range_is_no_moment_of_use(nanos: int) -> None:
    converted = time_conversion.to_datetime(Timestamp(seconds=T_2026, nanos=nanos))

    assert converted == datetime.min.replace(tzinfo=UTC)


@pytest.mark.parametrize("nanos", [-(2**31), -1_000_000_000, 1_000_000_000, 2**31 - 1])
def test_a_duration_with_nanos_out_of_range_is_no_span_of_use(nanos: int) -> None:
    assert time_conversion.to_timedelta(Duration(seconds=90, nanos=nanos)) == timedelta.min


def test_the_greatest_nanos_are_in_range() -> None:
    nanos = 999_999_999

    assert time_conversion.to_datetime(Timestamp(nanos=nanos)).microsecond == 999_999
    assert time_conversion.to_timedelta(Duration(nanos=nanos)) == timedelta(microseconds=999_999)
    assert time_conversion.to_timedelta(Duration(nanos=-nanos)) <= timedelta(microseconds=-999_999)


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


def test_a_command_to_create_a_key_is_converted_whole() -> None:
    request = auth_service_pb2.CreateKeyRequest(
        account_id=ACCOUNT_ID,
        name="ci",
        scopes=["a"],
        ttl=Duration(seconds=1),
        metadata={"team": "a"},
        request_id="r",
    )

    assert key_conversion.create_key_command(request) == CreateKeyCommand(
        name="ci",
        account_id=ACCOUNT_ID,
        scopes=("a",),
        ttl=SECOND,
        metadata={"team": "a"},
        request_id="r",
    )


def test_a_ttl_of_nothing_is_not_the_same_as_none() -> None:
    request = auth_service_pb2.CreateKeyRequest(ttl=Duration())

    assert key_conversion.create_key_command(request).ttl == timedelta(0)


def test_a_command_to_revoke_by_secret_is_converted() -> None:
    request = auth_service_pb2.RevokeKeyRequest(
        secret=FAKE_KEY, reason=key_pb2.REVOCATION_REASON_COMPROMISED, note="n"
    )

    assert key_conversion.revoke_key_command(request) == RevokeKeyCommand(
        None, FAKE_KEY, RevocationReason.COMPROMISED, "n"
    )


def test_an_unknown_revocation_reason_is_none() -> None:
    request = auth_service_pb2.RevokeKeyRequest.FromString(b"\x18\x63")

    assert key_conversion.revoke_key_command(request).reason is None


def test_a_command_does_not_show_its_secret() -> None:
    assert FAKE_KEY not in repr(RevokeKeyCommand(secret=FAKE_KEY))


def test_rules_and_a_limit_come_back_as_they_were() -> None:
    key = _key(
        allowed_addresses=("192.0.2.7", "2001:db8::/32"), rate_limit=RateLimit(100, 90 * SECOND)
    )

    message = key_conversion.key_message(key, NOW)
    command = key_conversion.update_key_command(key_management_pb2.UpdateKeyRequest(key=message))

    assert message.rate_limit.period.seconds == 90
    assert command.allowed_addresses == key.allowed_addresses
    assert command.rate_limit == key.rate_limit


def test_a_limit_that_is_empty_is_not_the_same_as_none() -> None:
    request = auth_service_pb2.CreateKeyRequest(rate_limit=rate_limit_pb2.RateLimit())

    assert key_conversion.create_key_command(request).rate_limit == RateLimit(0, timedelta(0))
    assert key_conversion.create_key_command(auth_service_pb2.CreateKeyRequest()).rate_limit is None


@pytest.mark.parametrize("reason", RevocationReason)
def test_every_revocation_reason_has_a_wire_value(reason: RevocationReason) -> None:
    message = key_conversion.key_message(_key(revoke_time=NOW, revoke_reason=reason), NOW)

    assert key_pb2.RevocationReason.Name(message.revoke_reason) == f"REVOCATION_REASON_{reason}"


@pytest.mark.parametrize("state", AccountState)
def test_every_account_state_has_a_wire_value(state: AccountState) -> None:
    message = account_conversion.account_message(an_account(state=state))

    assert account_pb2.AccountState.Name(message.state) == f"ACCOUNT_STATE_{state}"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, key_pb2.KEY_STATE_ACTIVE),
        ({"disabled": True}, key_pb2.KEY_STATE_DISABLED),
        ({"expire_time": NOW}, key_pb2.KEY_STATE_EXPIRED),
        ({"revoke_time": NOW}, key_pb2.KEY_STATE_REVOKED),
    ],
)
def test_every_key_state_has_a_wire_value(changes: dict[str, object], state: int) -> None:
    assert key_conversion.key_message(_key(**changes), NOW).state == state


@pytest.mark.parametrize("field", ["expire_time", "revoke_time", "last_use_time", "rate_limit"])
def test_a_field_that_a_key_does_not_have_is_not_set(field: str) -> None:
    assert not key_conversion.key_message(_key(), NOW).HasField(field)  # type: ignore[arg-type]


def test_a_keys_etag_is_its_revision_quoted() -> None:
    assert key_conversion.key_message(_key(), NOW).etag == '"1f"'


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


@pytest.mark.parametrize("kind", sorted(set(ChangeKind) - {ChangeKind.KEYRING_CHANGED}))
def test_every_change_that_is_told_has_a_form_on_the_wire(kind: ChangeKind) -> None:
    key_id = KEY_ID if kind.startswith("KEY") else ""
    user_id = USER_ID if kind.startswith(("USER", "SESSION")) else ""
    session_id = SESSION_ID if kind.startswith("SESSION") else ""

    response = watch_conversion.watch_response(
        Change(7, kind, ACCOUNT_ID, key_id, user_id, session_id)
    )

    told = {
        ChangeKind.KEY_REVOKED: "key_revoked",
        ChangeKind.KEY_CHANGED: "key_changed",
        ChangeKind.KEY_CREATED: "key_changed",
        ChangeKind.ACCOUNT_CHANGED: "account_changed",
        ChangeKind.ACCOUNT_CREATED: "account_changed",
        ChangeKind.USER_CHANGED: "user_changed",
        ChangeKind.USER_CREATED: "user_changed",
        ChangeKind.SESSION_REVOKED: "session_revoked",
    }[kind]
    assert (response.revision, response.WhichOneof("event")) == (7, told)
    event = getattr(response, told)
    assert event.account_id == ACCOUNT_ID
    assert getattr(event, "key_id", "") == key_id
    assert getattr(event, "user_id", "") == user_id
    assert getattr(event, "session_id", "") == session_id


def test_every_finding_has_a_code_on_the_wire() -> None:
    on_the_wire = set(explanation_pb2.FindingCode.keys()) - {"FINDING_CODE_UNSPECIFIED"}

    assert on_the_wire == {f"FINDING_CODE_{code.name}" for code in FindingCode}
