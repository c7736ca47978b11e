"""Between wire messages and domain values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.accounts import AccountState
from authsvc.domain.denials import DENIALS, DenialReason, insufficient_scope
from authsvc.domain.freshness import Freshness, FreshnessSource
from authsvc.domain.keys import Key, RevocationReason
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.rpc import conversion
from authsvc.usecases.create_key import CreateKeyCommand
from authsvc.usecases.judge_credential import Verdict
from authsvc.usecases.revoke_key import RevokeKeyCommand
from authsvc.usecases.validate_credential import ValidateCredentialQuery
from orchestrator.auth.v1 import account_pb2, auth_service_pb2, denial_pb2, freshness_pb2, key_pb2
from tests.unit.examples import ACCOUNT_ID, FAKE_KEY, KEY_ID, NOW, SECOND, an_account

int64 = st.integers(-(2**63), 2**63 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
FRESHNESS = Freshness(FreshnessSource.CACHE, NOW)


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


def _response(outcome: Principal) -> auth_service_pb2.ValidateCredentialResponse:
    return conversion.validate_credential_response(Verdict(outcome, FRESHNESS))


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_comes_back_as_it_was(moment: datetime) -> None:
    assert conversion.to_datetime(conversion.timestamp(moment)) == moment


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    moment = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert conversion.timestamp(moment) == conversion.timestamp(NOW)


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_nanoseconds_of_a_moment_are_never_negative(moment: datetime) -> None:
    assert 0 <= conversion.timestamp(moment).nanos < 1_000_000_000


@given(int64, int32)
def test_every_timestamp_is_a_moment(seconds: int, nanos: int) -> None:
    assert conversion.to_datetime(Timestamp(seconds=seconds, nanos=nanos)).tzinfo is UTC


@given(int64, int32)
def test_every_duration_is_a_timedelta(seconds: int, nanos: int) -> None:
    converted = conversion.to_timedelta(Duration(seconds=seconds, nanos=nanos))

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
    assert conversion.to_datetime(Timestamp(seconds=seconds)) == moment


@pytest.mark.parametrize(
    ("seconds", "span"),
    [(2**63 - 1, timedelta.max), (-(2**63), timedelta.min), (90, timedelta(seconds=90))],
)
def test_a_duration_beyond_all_bounds_is_the_greatest(seconds: int, span: timedelta) -> None:
    assert conversion.to_timedelta(Duration(seconds=seconds)) == span


def test_an_empty_query_asks_for_nothing() -> None:
    request = auth_service_pb2.ValidateCredentialRequest()

    assert conversion.validate_credential_query(request) == ValidateCredentialQuery("")


def test_a_query_is_converted_whole() -> None:
    request = auth_service_pb2.ValidateCredentialRequest(
        credential=" x\n",
        required_scopes=["a", "b"],
        freshness=freshness_pb2.FreshnessRequirement(at_least_revision=7),
    )

    assert conversion.validate_credential_query(request) == ValidateCredentialQuery(
        " x\n", ("a", "b"), authoritative=False, at_least_revision=7
    )


def test_a_query_does_not_show_its_credential() -> None:
    assert FAKE_KEY not in repr(ValidateCredentialQuery(FAKE_KEY))


def test_a_command_to_create_a_key_is_converted_whole() -> None:
    request = auth_service_pb2.CreateKeyRequest(
        account_id=ACCOUNT_ID,
        name="ci",
        scopes=["a"],
        ttl=Duration(seconds=1),
        metadata={"team": "a"},
        request_id="r",
    )

    assert conversion.create_key_command(request) == CreateKeyCommand(
        name="ci",
        account_id=ACCOUNT_ID,
        scopes=("a",),
        ttl=SECOND,
        metadata={"team": "a"},
        request_id="r",
    )


def test_a_ttl_of_nothing_is_not_the_same_as_none() -> None:
    request = auth_service_pb2.CreateKeyRequest(ttl=Duration())

    assert conversion.create_key_command(request).ttl == timedelta(0)


def test_a_command_to_revoke_by_secret_is_converted() -> None:
    request = auth_service_pb2.RevokeKeyRequest(
        secret=FAKE_KEY, reason=key_pb2.REVOCATION_REASON_COMPROMISED, note="n"
    )

    assert conversion.revoke_key_command(request) == RevokeKeyCommand(
        None, FAKE_KEY, RevocationReason.COMPROMISED, "n"
    )


def test_an_unknown_revocation_reason_is_none() -> None:
    request = auth_service_pb2.RevokeKeyRequest.FromString(b"\x18\x63")

    assert conversion.revoke_key_command(request).reason is None


def test_a_command_does_not_show_its_secret() -> None:
    assert FAKE_KEY not in repr(RevokeKeyCommand(secret=FAKE_KEY))


@pytest.mark.parametrize("reason", RevocationReason)
def test_every_revocation_reason_has_a_wire_value(reason: RevocationReason) -> None:
    message = conversion.key_message(_key(revoke_time=NOW, revoke_reason=reason), NOW)

    assert key_pb2.RevocationReason.Name(message.revoke_reason) == f"REVOCATION_REASON_{reason}"


@pytest.mark.parametrize("state", AccountState)
def test_every_account_state_has_a_wire_value(state: AccountState) -> None:
    message = conversion.account_message(an_account(state=state))

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
    assert conversion.key_message(_key(**changes), NOW).state == state


@pytest.mark.parametrize("field", ["expire_time", "revoke_time", "last_use_time"])
def test_a_time_that_a_key_does_not_have_is_not_set(field: str) -> None:
    assert not conversion.key_message(_key(), NOW).HasField(field)  # type: ignore[arg-type]


def test_a_keys_etag_is_its_revision_quoted() -> None:
    assert conversion.key_message(_key(), NOW).etag == '"1f"'


@pytest.mark.parametrize("reason", DenialReason)
def test_every_denial_reason_has_a_wire_value(reason: DenialReason) -> None:
    response = conversion.validate_credential_response(Verdict(DENIALS[reason], FRESHNESS))

    assert denial_pb2.DenialReason.Name(response.denial.reason) == f"DENIAL_REASON_{reason.name}"


def test_a_denial_is_converted_whole() -> None:
    denial = insufficient_scope(["a"])

    response = conversion.validate_credential_response(Verdict(denial, FRESHNESS))

    assert response.denial == denial_pb2.Denial(
        reason=denial_pb2.DENIAL_REASON_INSUFFICIENT_SCOPE,
        message="Insufficient scope",
        http_status=403,
        error="FORBIDDEN",
        www_authenticate=denial.www_authenticate,
    )


def test_a_verdict_says_how_old_it_is() -> None:
    response = conversion.validate_credential_response(
        Verdict(DENIALS[DenialReason.KEY_REVOKED], FRESHNESS)
    )

    assert response.freshness == freshness_pb2.Freshness(
        source=freshness_pb2.FRESHNESS_SOURCE_CACHE, as_of=conversion.timestamp(NOW)
    )


@pytest.mark.parametrize("kind", PrincipalKind)
def test_a_principals_scopes_are_in_order(kind: PrincipalKind) -> None:
    principal = Principal(
        kind, ACCOUNT_ID, frozenset({"b", "a"}), is_system=False, expire_time=None
    )

    assert list(_response(principal).principal.scopes) == ["a", "b"]
