"""Which changes give a key more than it had."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.key_changes import gives_more
from authsvc.domain.keys import Key
from authsvc.domain.rate_limits import RateLimit
from tests.unit.examples import NOW
from tests.unit.managed_keys import a_key

Rules = tuple[str, ...]
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(("192.0.2.7",), (), id="from anywhere"),
        pytest.param(("0.0.0.0/0", "::/0"), (), id="from an address that is not known"),
        pytest.param(("192.0.2.7",), ("192.0.2.7", "192.0.2.8"), id="one more"),
        pytest.param(("192.0.2.7",), ("192.0.2.8",), id="another instead"),
        pytest.param(("192.0.2.0/25",), ("192.0.2.0/24",), id="a larger network"),
        pytest.param(("192.0.2.0/24",), ("192.0.2.7", "2001:db8::7"), id="another family"),
        pytest.param(("0.0.0.0/0",), ("::/0",), id="all of another family"),
    ],
)
def test_to_open_a_key_to_another_address_gives_more(before: Rules, after: Rules) -> None:
    assert gives_more(a_key(allowed_addresses=before), a_key(allowed_addresses=after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((), (), id="none as before"),
        pytest.param((), ("0.0.0.0/0", "::/0"), id="rules where there were none"),
        pytest.param(("192.0.2.7", "192.0.2.8"), ("192.0.2.8",), id="one less"),
        pytest.param(("192.0.2.0/24",), ("192.0.2.7", "192.0.2.128/25"), id="parts"),
        pytest.param(
            ("192.0.2.0/24",), ("192.0.2.0/25", "192.0.2.128/25"), id="the same in two halves"
        ),
        pytest.param(
            ("192.0.2.0/25", "192.0.2.128/25"), ("192.0.2.0/24",), id="two halves made whole"
        ),
    ],
)
def test_to_keep_or_narrow_the_addresses_gives_nothing(before: Rules, after: Rules) -> None:
    assert not gives_more(a_key(allowed_addresses=before), a_key(allowed_addresses=after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(RateLimit(100, MINUTE), None, id="no limit"),
        pytest.param(RateLimit(100, MINUTE), RateLimit(101, MINUTE), id="more requests"),
        pytest.param(RateLimit(100, MINUTE), RateLimit(100, 59 * SECOND), id="a shorter period"),
        pytest.param(RateLimit(1, SECOND), RateLimit(60, MINUTE), id="the same rate, all at once"),
        pytest.param(
            RateLimit(100, MINUTE), RateLimit(99, 59 * SECOND), id="less, and not surely so"
        ),
        pytest.param(RateLimit(2, SECOND), RateLimit(3, DAY), id="less a day, more a second"),
    ],
)
def test_to_let_more_pass_in_some_span_gives_more(
    before: RateLimit, after: RateLimit | None
) -> None:
    assert gives_more(a_key(rate_limit=before), a_key(rate_limit=after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, None, id="none as before"),
        pytest.param(None, RateLimit(1_000_000, SECOND), id="a limit where there was none"),
        pytest.param(RateLimit(100, MINUTE), RateLimit(100, MINUTE), id="the same"),
        pytest.param(RateLimit(100, MINUTE), RateLimit(99, MINUTE), id="fewer requests"),
        pytest.param(RateLimit(100, MINUTE), RateLimit(100, DAY), id="a longer period"),
    ],
)
def test_to_keep_or_lower_the_limit_gives_nothing(
    before: RateLimit | None, after: RateLimit | None
) -> None:
    assert not gives_more(a_key(rate_limit=before), a_key(rate_limit=after))


limits = st.builds(
    RateLimit,
    st.integers(1, 50),
    st.integers(1, 50).map(lambda seconds: timedelta(seconds=seconds)),
)


def most_in(limit: RateLimit, span: int) -> int:
    """Return the most requests that pass in a span, counted in windows that begin anywhere."""
    period = int(limit.period.total_seconds())
    # The span may touch the end of a window, all of those behind it, and the beginning of one.
    return limit.requests * ((span - 2) // period + 2 if span > 1 else 1)


@given(limits, limits)
def test_what_gives_nothing_lets_no_more_pass_however_it_is_counted(
    before: RateLimit, after: RateLimit
) -> None:
    if gives_more(a_key(rate_limit=before), a_key(rate_limit=after)):
        return

    # As a bucket: all at once, and then at a steady rate.
    assert after.requests <= before.requests
    assert after.requests * before.period <= before.requests * after.period
    # In windows: whatever the span.
    assert all(most_in(after, span) <= most_in(before, span) for span in range(1, 200))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (a_key(disabled=True), a_key()),
        (a_key(expire_time=NOW), a_key(expire_time=NOW + SECOND)),
        (a_key(expire_time=NOW), a_key()),
    ],
)
def test_to_wake_a_key_or_to_lengthen_its_life_gives_more(before: Key, after: Key) -> None:
    assert gives_more(before, after)


def test_one_thing_more_is_more_whatever_else_is_less() -> None:
    before = a_key(rate_limit=RateLimit(1, DAY), allowed_addresses=("192.0.2.0/24",))

    after = replace(before, rate_limit=None, allowed_addresses=("192.0.2.7",), disabled=True)

    assert gives_more(before, after)


def test_scopes_names_and_notes_are_not_looked_at() -> None:
    before = a_key(scopes=("a",))

    assert not gives_more(before, replace(before, scopes=("*",), name="New", metadata={"a": "b"}))
