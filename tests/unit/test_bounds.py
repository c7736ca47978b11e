"""The bounds of request fields: each one, and all at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.bounds import MAX_LIFETIME, Violations
from authsvc.domain.errors import InvalidRequest
from authsvc.domain.rate_limits import RateLimit
from tests.unit.examples import KEY_ID, NOW

MICROSECOND = timedelta(microseconds=1)
any_text = st.text(st.characters(codec=None), max_size=120)


def _broken(check: Callable[[Violations], None]) -> list[tuple[str, str]]:
    violations = Violations()
    check(violations)
    try:
        violations.raise_if_any()
    except InvalidRequest as error:
        return [(violation.field, violation.description) for violation in error.violations]
    return []


@pytest.mark.parametrize(
    "name", ["a", "a" * 100, "CI key (prod)", "ключ", "鍵", "🔑", "O'Brien; --"]
)
def test_a_name_within_bounds_is_fit(name: str) -> None:
    assert _broken(lambda v: v.check_name("name", name)) == []


@pytest.mark.parametrize(
    ("name", "description"),
    [
        pytest.param("", "is required", id="empty"),
        pytest.param("a" * 101, "has at most 100 characters", id="long"),
        pytest.param("a\nb", "has no control characters", id="newline"),
        pytest.param("a\0b", "has no control characters", id="NUL"),
        pytest.param("a\x7fb", "has no control characters", id="delete"),
        pytest.param("a\x85b", "has no control characters", id="next line"),
        pytest.param("a\u2028b", "has no control characters", id="line separator"),
        pytest.param("a\u2029b", "has no control characters", id="paragraph separator"),
        pytest.param("a\u202eb", "has no control characters", id="right-to-left override"),
        pytest.param("a\u2066b", "has no control characters", id="isolate"),
        pytest.param("a\ud800b", "has no control characters", id="lone surrogate"),
        pytest.param(" a", "has no white space at either end", id="leading blank"),
        pytest.param("a ", "has no white space at either end", id="trailing blank"),
        pytest.param("\u3000a", "has no white space at either end", id="ideographic space"),
        pytest.param(" ", "has no white space at either end", id="a blank alone"),
    ],
)
def test_a_name_out_of_bounds_is_refused(name: str, description: str) -> None:
    assert _broken(lambda v: v.check_name("name", name)) == [("name", description)]


@pytest.mark.parametrize(
    "value", ["", "key_1", "acct_00000000000000000000000001", KEY_ID + "0", KEY_ID.upper(), "x"]
)
def test_an_id_of_another_form_is_refused(value: str) -> None:
    assert [field for field, _ in _broken(lambda v: v.check_id("key_id", value, "key"))] == [
        "key_id"
    ]


def test_a_well_formed_id_is_fit() -> None:
    assert _broken(lambda v: v.check_id("key_id", KEY_ID, "key")) == []


def test_every_malformed_scope_is_named_by_its_place() -> None:
    scopes = ["sessions:read", "Bad", "*", "authsvc:*"]

    fields = [field for field, _ in _broken(lambda v: v.check_scopes("scopes", scopes))]

    assert fields == ["scopes[1]", "scopes[3]"]


def test_as_many_scopes_as_allowed_are_fit() -> None:
    assert _broken(lambda v: v.check_scopes("scopes", ["a"] * 50)) == []


def test_too_many_scopes_are_refused_without_looking_at_each() -> None:
    assert _broken(lambda v: v.check_scopes("scopes", ["BAD"] * 51)) == [
        ("scopes", "has at most 50 entries")
    ]


@pytest.mark.parametrize("ahead", [MICROSECOND, MAX_LIFETIME])
def test_an_expiry_within_bounds_is_fit(ahead: timedelta) -> None:
    assert _broken(lambda v: v.check_expire_time("expire_time", NOW + ahead, NOW)) == []


@pytest.mark.parametrize(
    ("ahead", "description"),
    [
        (timedelta(0), "lies in the future"),
        (timedelta(days=-1), "lies in the future"),
        (MAX_LIFETIME + MICROSECOND, "lies at most 3660 days ahead"),
    ],
)
def test_an_expiry_out_of_bounds_is_refused(ahead: timedelta, description: str) -> None:
    assert _broken(lambda v: v.check_expire_time("expire_time", NOW + ahead, NOW)) == [
        ("expire_time", description)
    ]


@pytest.mark.parametrize("lifetime", [MICROSECOND, MAX_LIFETIME])
def test_a_lifetime_within_bounds_is_fit(lifetime: timedelta) -> None:
    assert _broken(lambda v: v.check_lifetime("ttl", lifetime)) == []


@pytest.mark.parametrize(
    ("lifetime", "description"),
    [
        (timedelta(0), "is positive"),
        (timedelta.min, "is positive"),
        (MAX_LIFETIME + MICROSECOND, "is at most 3660 days"),
        (timedelta.max, "is at most 3660 days"),
    ],
)
def test_a_lifetime_out_of_bounds_is_refused(lifetime: timedelta, description: str) -> None:
    assert _broken(lambda v: v.check_lifetime("ttl", lifetime)) == [("ttl", description)]


def test_every_malformed_address_is_named_by_its_place() -> None:
    rules = ["192.0.2.7", "nonsense", "2001:db8::/32", "192.0.2.7/24"]

    assert _broken(lambda v: v.check_allowed_addresses("allowed_addresses", rules)) == [
        ("allowed_addresses[1]", "is an IP address or network, like 192.0.2.7 or 2001:db8::/32"),
        (
            "allowed_addresses[3]",
            "begins with the first address of its network: 192.0.2.0/24",
        ),
    ]


def test_as_many_addresses_as_allowed_are_fit() -> None:
    assert _broken(lambda v: v.check_allowed_addresses("a", ["192.0.2.7"] * 100)) == []


def test_too_many_addresses_are_refused_without_looking_at_each() -> None:
    assert _broken(lambda v: v.check_allowed_addresses("a", ["nonsense"] * 101)) == [
        ("a", "has at most 100 entries")
    ]


@pytest.mark.parametrize(
    "limit",
    [RateLimit(1, timedelta(seconds=1)), RateLimit(1_000_000, timedelta(days=1))],
)
def test_a_rate_limit_within_bounds_is_fit(limit: RateLimit) -> None:
    assert _broken(lambda v: v.check_rate_limit("rate_limit", limit)) == []


@pytest.mark.parametrize(
    ("requests", "period", "fields"),
    [
        (0, timedelta(seconds=1), ["rate_limit.requests"]),
        (-1, timedelta(seconds=1), ["rate_limit.requests"]),
        (1_000_001, timedelta(seconds=1), ["rate_limit.requests"]),
        (1, timedelta(0), ["rate_limit.period"]),
        (1, timedelta(seconds=1) - MICROSECOND, ["rate_limit.period"]),
        (1, timedelta(seconds=1, milliseconds=500), ["rate_limit.period"]),
        (1, timedelta(days=1, seconds=1), ["rate_limit.period"]),
        (1, timedelta.min, ["rate_limit.period"]),
        (1, timedelta.max, ["rate_limit.period"]),
        (0, timedelta(0), ["rate_limit.requests", "rate_limit.period"]),
    ],
)
def test_a_rate_limit_out_of_bounds_is_refused(
    requests: int, period: timedelta, fields: list[str]
) -> None:
    limit = RateLimit(requests, period)

    broken = _broken(lambda v: v.check_rate_limit("rate_limit", limit))

    assert [field for field, _ in broken] == fields


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"team": ""},
        {"a-b_c.D9": "ключ"},
        {"k" * 64: "v" * 512},
        {str(i): "" for i in range(32)},
    ],
)
def test_metadata_within_bounds_are_fit(metadata: dict[str, str]) -> None:
    assert _broken(lambda v: v.check_metadata("metadata", metadata)) == []


@pytest.mark.parametrize(
    ("metadata", "description"),
    [
        pytest.param({str(i): "" for i in range(33)}, "has at most 32 entries", id="many"),
        pytest.param({"": ""}, "has keys of", id="empty name"),
        pytest.param({"k" * 65: ""}, "has keys of", id="long name"),
        pytest.param({"a b": ""}, "has keys of", id="blank in a name"),
        pytest.param({"a\n": ""}, "has keys of", id="newline in a name"),
        pytest.param({"ключ": ""}, "has keys of", id="letters beyond ASCII"),
        pytest.param({"a": "v" * 513}, "has values of at most 512", id="long value"),
        pytest.param({"a": "x\ny"}, "has values without control", id="newline in a value"),
    ],
)
def test_metadata_out_of_bounds_are_refused(metadata: dict[str, str], description: str) -> None:
    [(_, found)] = _broken(lambda v: v.check_metadata("metadata", metadata))

    assert found.startswith(description)


@pytest.mark.parametrize("note", ["", "a\nb\r\n\tc", "x" * 500])
def test_a_note_within_bounds_is_fit(note: str) -> None:
    assert _broken(lambda v: v.check_note("note", note)) == []


@pytest.mark.parametrize("note", ["x" * 501, "a\0b", "a\x1b[31mb", "a\u202eb"])
def test_a_note_out_of_bounds_is_refused(note: str) -> None:
    assert [field for field, _ in _broken(lambda v: v.check_note("note", note))] == ["note"]


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    def check(violations: Violations) -> None:
        violations.check_id("account_id", "x", "acct")
        violations.check_name("name", " " * 101 + "\n")
        violations.check_scopes("scopes", ["BAD"])
        violations.check_metadata("metadata", {"": "\n" * 513})
        violations.check_lifetime("ttl", timedelta(0))
        violations.check_note("note", "\0" * 501)

    fields = [field for field, _ in _broken(check)]

    assert (
        fields
        == ["account_id", *["name"] * 3, "scopes[0]", *["metadata"] * 3, "ttl"] + ["note"] * 2
    )


def test_a_request_without_flaws_passes() -> None:
    assert _broken(lambda _: None) == []


@given(any_text)
def test_no_violation_repeats_what_was_sent(text: str) -> None:
    sent = f"{text}SENT"

    def check(violations: Violations) -> None:
        violations.check_name("name", sent + "\n")
        violations.check_id("key_id", sent, "key")
        violations.check_scopes("scopes", [sent])
        violations.check_metadata("metadata", {f"{sent} ": f"{sent}\n"})
        violations.check_note("note", f"{sent}\0")

    assert "SENT" not in str(_broken(check))
