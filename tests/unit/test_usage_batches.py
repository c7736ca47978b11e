"""Batches of usage: whole keys, in bounds, with addresses in one form."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain import usage_batches
from authsvc.domain.usage_batches import Combination, Share, SourceKind, shares_of

COUNTED = st.dictionaries(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from(["OK", "KEY_REVOKED"]),
        st.sampled_from(["", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "fe80::1%eth0"]),
        st.sampled_from([None, "", "key_1"]),
    ),
    st.integers(min_value=1, max_value=1000),
)


def shares(counted: dict[Combination, int]) -> list[Share]:
    return [share for share in shares_of(counted.items(), pause_after=3) if share is not None]


def test_the_addresses_of_one_ipv6_site_are_one_source_and_push_out_no_other() -> None:
    counted: dict[Combination, int] = {
        ("a", "OK", f"2001:db8:0:1::{number:x}", None): 2 for number in range(1000)
    }
    counted[("a", "OK", "192.0.2.1", None)] = 1

    (share,) = shares(counted)

    assert share.sources == {
        ("a", SourceKind.ADDRESS, "2001:db8:0:1::/64"): 2000,
        ("a", SourceKind.ADDRESS, "192.0.2.1"): 1,
    }


@given(counted=COUNTED)
def test_nothing_is_lost_or_doubled(counted: dict[Combination, int]) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for (key_id, outcome, _, _), count in counted.items():
        expected[key_id, outcome] += count

    written: Counter[tuple[str, str]] = Counter()
    for share in shares(counted):
        written.update(share.counts)

    assert written == expected


def test_a_key_is_in_one_share_with_all_its_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_batches, "MAX_BATCH_ROWS", 5)
    counted: dict[Combination, int] = {
        (key_id, "OK", f"192.0.2.{number}", "key_1"): 1 for number in range(4) for key_id in "abc"
    }

    found = shares(counted)

    assert [{key_id for key_id, _ in share.counts} for share in found] == [{"a"}, {"b"}, {"c"}]
    assert [{key_id for key_id, _, _ in share.sources} for share in found] == [{"a"}, {"b"}, {"c"}]


def test_of_too_many_sources_those_with_the_most_calls_are_kept() -> None:
    counted: dict[Combination, int] = {
        ("a", "OK", f"10.0.{number // 256}.{number % 256}", ""): number + 1 for number in range(300)
    }

    (share,) = shares(counted)

    addresses = {
        source: count
        for (_, kind, source), count in share.sources.items()
        if kind is SourceKind.ADDRESS
    }
    assert share.counts == {("a", "OK"): sum(range(301))}
    assert len(addresses) == 100
    assert min(addresses.values()) == 201


def test_others_get_their_turn_while_much_is_divided() -> None:
    counted: dict[Combination, int] = {(f"key_{n}", "OK", "", ""): 1 for n in range(10)}

    assert list(shares_of(counted.items(), pause_after=3)).count(None) == 3
