"""The cache of records: its bounds, its order, its tags, and reads that a change overtakes."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.record_cache import RecordCache

Cache = RecordCache[str, int]


def _keep(cache: Cache, key: str, value: int = 0, *tags: str) -> None:
    cache.keep(key, value, tags, cache.stamp)


def _kept(cache: Cache, keys: str) -> str:
    """Return those of the keys that are kept; `find` would count as use."""
    return "".join(key for key in keys if key in cache._entries)  # noqa: SLF001


def test_a_record_is_found_under_its_key() -> None:
    cache = Cache(2)
    _keep(cache, "a", 1)

    assert (cache.find("a"), cache.find("b")) == (1, None)


def test_a_record_that_is_kept_again_is_replaced() -> None:
    cache = Cache(2)
    _keep(cache, "a", 1, "old")
    _keep(cache, "a", 2, "new")

    cache.drop(["old"])

    assert cache.find("a") == 2
    assert len(cache) == 1


def test_a_read_that_a_change_overtook_is_not_kept() -> None:
    cache = Cache(2)
    # Given a read that began
    stamp = cache.stamp

    # When a change of the record passes by that nothing is kept of yet
    cache.drop(["tag"])
    cache.keep("a", 1, ("tag",), stamp)

    # Then what was read before it is not kept
    assert cache.find("a") is None


def test_a_read_that_any_other_change_overtook_is_not_kept_either() -> None:
    cache = Cache(2)
    stamp = cache.stamp

    cache.drop(["another tag"])
    cache.keep("a", 1, ("tag",), stamp)

    assert cache.find("a") is None


def test_a_read_that_a_gap_overtook_is_not_kept() -> None:
    cache = Cache(2)
    stamp = cache.stamp

    cache.clear()
    cache.keep("a", 1, ("tag",), stamp)

    assert cache.find("a") is None


def test_a_read_that_began_after_the_change_is_kept() -> None:
    cache = Cache(2)
    cache.drop(["tag"])

    _keep(cache, "a", 1, "tag")

    assert cache.find("a") == 1


def test_a_read_that_was_overtaken_does_not_replace_a_later_one() -> None:
    cache = Cache(2)
    stamp = cache.stamp
    cache.drop(["tag"])
    _keep(cache, "a", 2, "tag")

    cache.keep("a", 1, ("tag",), stamp)

    assert cache.find("a") == 2


@pytest.mark.parametrize("capacity", [1, 2, 10])
def test_no_more_is_kept_than_there_may_be(capacity: int) -> None:
    cache = Cache(capacity)

    for number in range(25):
        _keep(cache, str(number), number, "tag")
        assert len(cache) <= capacity

    assert len(cache) == capacity
    assert cache.evictions == 25 - capacity


def test_what_was_used_longest_ago_goes_first() -> None:
    cache = Cache(3)
    for key in "abc":
        _keep(cache, key)

    # When the oldest is used, and one more comes
    cache.find("a")
    _keep(cache, "d")

    assert _kept(cache, "abcd") == "acd"


def test_to_be_kept_again_is_a_use() -> None:
    cache = Cache(3)
    for key in "abca":
        _keep(cache, key)

    _keep(cache, "d")

    assert _kept(cache, "abcd") == "acd"


def test_to_be_looked_for_in_vain_is_no_use() -> None:
    cache = Cache(2)
    for key in "ab":
        _keep(cache, key)

    cache.find("x")
    _keep(cache, "c")

    assert _kept(cache, "abc") == "bc"


def test_a_tag_drops_all_records_that_have_it_and_no_others() -> None:
    cache = Cache(10)
    _keep(cache, "a", 1, "one", "account")
    _keep(cache, "b", 2, "two", "account")
    _keep(cache, "c", 3, "three", "other account")

    cache.drop(["account"])

    assert _kept(cache, "abc") == "c"


def test_a_tag_of_one_record_of_many_drops_that_one_alone() -> None:
    cache = Cache(10)
    for key in "abc":
        _keep(cache, key, 0, f"key {key}", "account")

    cache.drop(["key b"])
    assert _kept(cache, "abc") == "ac"

    cache.drop(["account"])
    assert len(cache) == 0


def test_an_unknown_tag_drops_nothing() -> None:
    cache = Cache(10)
    _keep(cache, "a", 1, "tag")

    cache.drop(["unknown", ""])

    assert cache.find("a") == 1


def test_a_record_that_was_evicted_leaves_its_tag_to_the_others() -> None:
    cache = Cache(2)
    for key in "abc":
        _keep(cache, key, 0, "account")

    cache.drop(["account"])

    assert len(cache) == 0


def test_everything_can_be_dropped() -> None:
    cache = Cache(10)
    for key in "abc":
        _keep(cache, key, 0, "account", key)

    cache.clear()

    assert _kept(cache, "abc") == ""
    assert cache._tagged == {}  # noqa: SLF001


def test_churn_leaves_no_tags_behind() -> None:
    cache = RecordCache[int, int](100)
    for number in range(20_000):
        tags = (f"key {number}", f"account {number % 50}")
        cache.keep(number, number, tags, cache.stamp)
        if number % 7 == 0:
            cache.drop([f"key {number - 3}"])
        if number % 501 == 0:
            cache.drop([f"account {number % 50}"])

    tags_in_use = {tag for _, tags in cache._entries.values() for tag in tags}  # noqa: SLF001
    assert set(cache._tagged) == tags_in_use  # noqa: SLF001
    assert sys.getsizeof(cache._tagged) < 100_000  # noqa: SLF001


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("keep"),
            st.sampled_from("abcd"),
            st.sets(st.sampled_from("xyz"), max_size=3).map(lambda tags: tuple(sorted(tags))),
        ),
        st.tuples(st.just("drop"), st.sampled_from("xyz"), st.just(())),
        st.tuples(st.just("find"), st.sampled_from("abcd"), st.just(())),
    ),
    max_size=40,
)


@given(steps, st.integers(1, 4))
def test_it_keeps_what_a_plain_list_would(
    steps: list[tuple[str, str, tuple[str, ...]]], capacity: int
) -> None:
    cache, model = Cache(capacity), list[tuple[str, tuple[str, ...]]]()
    for action, name, tags in steps:
        if action == "keep":
            _keep(cache, name, 0, *tags)
            model = [*(entry for entry in model if entry[0] != name), (name, tags)][-capacity:]
        elif action == "drop":
            cache.drop([name])
            model = [entry for entry in model if name not in entry[1]]
        else:
            found = [entry for entry in model if entry[0] == name]
            assert (cache.find(name) is not None) == bool(found)
            model = [entry for entry in model if entry[0] != name] + found

    assert list(cache._entries) == [key for key, _ in model]  # noqa: SLF001
    assert set(cache._tagged) == {tag for _, tags in model for tag in tags}  # noqa: SLF001
