"""What becomes of keys that are to be imported: bounds, and what is there already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.errors import InvalidRequest, KeyNameTaken
from authsvc.domain.imported_keys import ImportedKey
from authsvc.domain.key_import import (
    AlreadyThere,
    Candidate,
    Existing,
    Imported,
    ImportMode,
    Outcome,
    Refused,
    Withheld,
    decide,
)
from authsvc.domain.keys import Key
from authsvc.domain.rate_limits import RateLimit
from tests.unit.examples import NOW, OTHER_ACCOUNT_ID
from tests.unit.managed_keys import a_key

EACH, ALL = ImportMode.EACH_BY_ITSELF, ImportMode.ALL_OR_NOTHING
HOUR = timedelta(hours=1)
REFUSED = Refused(KeyNameTaken())


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def a_candidate(secret: str, name: str) -> Candidate:
    return Candidate(replace(a_key(), name=name), digest(secret))


def there(keys: Mapping[str, Key] | None = None, names: frozenset[str] = frozenset()) -> Existing:
    return Existing({digest(secret): key for secret, key in (keys or {}).items()}, names)


def kinds(outcomes: list[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def violated(outcome: Outcome) -> list[str]:
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, InvalidRequest)
    return [violation.field for violation in outcome.error.violations]


def test_new_keys_are_imported_under_their_digests() -> None:
    one, other = a_candidate("1", "one"), a_candidate("2", "other")

    outcomes = decide([one, other], there(), EACH)

    assert outcomes == [Imported(one.key, one.digest), Imported(other.key, other.digest)]


def test_a_key_of_the_account_with_digest_and_name_was_there_already() -> None:
    known = replace(a_key(), name="one", revoke_time=NOW)

    # Its own name is taken, by itself.
    outcomes = decide([a_candidate("1", "one")], there({"1": known}, frozenset({"one"})), EACH)

    assert outcomes == [AlreadyThere(known)]


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(replace(a_key(), name="another"), id="another name"),
        pytest.param(replace(a_key(account_id=OTHER_ACCOUNT_ID), name="one"), id="another account"),
    ],
)
def test_the_digest_of_another_key_is_refused_without_saying_whose(known: Key) -> None:
    [outcome] = decide([a_candidate("1", "one")], there({"1": known}), EACH)

    assert violated(outcome) == ["keys[0].digest"]
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, InvalidRequest)
    [violation] = outcome.error.violations
    assert violation.description == "is that of another key"


def test_a_name_of_a_live_key_is_taken() -> None:
    [outcome] = decide([a_candidate("1", "one")], there(names=frozenset({"one"})), EACH)

    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, KeyNameTaken)


def test_of_one_name_in_a_call_the_first_key_has_it() -> None:
    outcomes = decide([a_candidate("1", "one"), a_candidate("2", "one")], there(), EACH)

    assert kinds(outcomes) == [Imported, Refused]


@pytest.mark.parametrize("name", ["one", "other"])
def test_of_one_digest_in_a_call_the_first_key_has_it(name: str) -> None:
    outcomes = decide([a_candidate("1", "one"), a_candidate("1", name)], there(), EACH)

    assert kinds(outcomes) == [Imported, Refused]
    assert violated(outcomes[1]) == ["keys[1].digest"]


def test_a_refused_key_takes_neither_name_nor_digest() -> None:
    taken = there(names=frozenset({"taken"}))

    outcomes = decide([REFUSED, a_candidate("1", "taken"), a_candidate("1", "one")], taken, EACH)

    assert kinds(outcomes) == [Refused, Refused, Imported]


def test_a_key_that_was_there_keeps_its_digest_in_the_call() -> None:
    known = replace(a_key(), name="one")

    outcomes = decide([a_candidate("1", "one"), a_candidate("1", "one")], there({"1": known}), EACH)

    assert kinds(outcomes) == [AlreadyThere, Refused]


def test_one_refused_key_withholds_the_others_when_it_is_all_or_nothing() -> None:
    known = replace(a_key(), name="known")
    asked: list[Candidate | Refused] = [a_candidate("1", "one"), REFUSED, a_candidate("2", "known")]

    outcomes = decide(asked, there({"2": known}), ALL)

    assert outcomes == [Withheld(), REFUSED, AlreadyThere(known)]


def test_all_are_imported_when_none_is_refused() -> None:
    known = replace(a_key(), name="known")
    asked = [a_candidate("1", "one"), a_candidate("2", "known")]

    assert kinds(decide(asked, there({"2": known}), ALL)) == [Imported, AlreadyThere]


_SMALL = st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"))


@given(asked=st.lists(_SMALL, max_size=8), taken=st.frozensets(st.sampled_from("xyz")))
def test_what_is_imported_takes_every_digest_and_name_once(
    asked: list[tuple[str, str]], taken: frozenset[str]
) -> None:
    candidates = [a_candidate(secret, name) for secret, name in asked]

    outcomes = decide(candidates, there(names=taken), EACH)

    imported = [one for one in outcomes if isinstance(one, Imported)]
    assert len(outcomes) == len(asked)
    assert len({one.digest for one in imported}) == len(imported)
    assert len({one.key.name for one in imported} | taken) == len(imported) + len(taken)


def wanted(**changes: Any) -> ImportedKey:  # noqa: ANN401 - fields of any type
    values: dict[str, Any] = {"digest": digest("1"), "name": "one"}
    return ImportedKey(**{**values, **changes})


@pytest.mark.parametrize(
    "key",
    [
        wanted(),
        wanted(create_time=NOW, last_use_time=NOW, expire_time=NOW + HOUR),
        wanted(create_time=NOW - 2 * HOUR, expire_time=NOW - HOUR),
        wanted(expire_time=NOW - HOUR),
        wanted(create_time=datetime(1970, 1, 1, tzinfo=UTC)),
        wanted(allowed_addresses=("192.0.2.0/24", "::1"), rate_limit=RateLimit(5, HOUR)),
        wanted(hint="orch_1a2b…c3D4", scopes=("a:b", "c:*"), metadata={"a": "b"}, disabled=True),
    ],
)
def test_a_key_within_bounds_has_no_violations(key: ImportedKey) -> None:
    assert key.violations("keys[3].", NOW).found == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"digest": b""}, "digest"),
        ({"digest": b"x" * 31}, "digest"),
        ({"digest": digest("1").hex().encode()}, "digest"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": ("A",)}, "scopes[0]"),
        ({"metadata": {"a b": "c"}}, "metadata"),
        ({"hint": "orch_1a2b...c3d4"}, "hint"),
        ({"hint": "orch_" + "1a2b" * 10}, "hint"),
        ({"allowed_addresses": ("::1", "192.0.2.7/24")}, "allowed_addresses[1]"),
        ({"rate_limit": RateLimit(0, HOUR)}, "rate_limit.requests"),
        ({"rate_limit": RateLimit(1, timedelta(0))}, "rate_limit.period"),
        ({"create_time": NOW + HOUR}, "create_time"),
        ({"create_time": datetime.min.replace(tzinfo=UTC)}, "create_time"),
        ({"last_use_time": NOW + HOUR}, "last_use_time"),
        ({"create_time": NOW, "last_use_time": NOW - HOUR}, "last_use_time"),
        ({"create_time": NOW, "expire_time": NOW}, "expire_time"),
        ({"expire_time": NOW + timedelta(days=3661)}, "expire_time"),
        ({"expire_time": datetime.min.replace(tzinfo=UTC)}, "expire_time"),
    ],
)
def test_a_violation_names_the_key_and_the_field(changes: dict[str, Any], field: str) -> None:
    found = wanted(**changes).violations("keys[3].", NOW).found

    assert [violation.field for violation in found] == [f"keys[3].{field}"]


@pytest.mark.parametrize(
    ("changes", "created"),
    [
        ({}, NOW),
        ({"create_time": NOW - HOUR, "last_use_time": NOW}, NOW - HOUR),
        ({"expire_time": NOW + HOUR}, NOW),
        ({"expire_time": NOW - HOUR}, NOW - HOUR),
        ({"expire_time": NOW - HOUR, "last_use_time": NOW - 2 * HOUR}, NOW - 2 * HOUR),
    ],
)
def test_a_key_was_created_before_all_that_is_known_of_it(
    changes: dict[str, Any], created: datetime
) -> None:
    assert wanted(**changes).created_at(NOW) == created


def test_a_digest_shows_in_no_repr() -> None:
    shown = repr([wanted(), a_candidate("1", "one"), Imported(a_key(), digest("1"))])

    assert repr(digest("1")) not in shown
