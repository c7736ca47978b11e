"""Scopes: their form, their wildcards, and the three that are reserved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.scopes import (
    ADMIN,
    ALL,
    KEYS,
    MAX_SCOPE_LENGTH,
    RESERVED,
    VALIDATE,
    covers,
    is_scope,
    without_reserved,
)

words = st.from_regex(r"[a-c][a-c0-9_.-]{0,3}", fullmatch=True)
plain_scopes = st.lists(words, min_size=1, max_size=4).map(":".join)
open_scopes = st.one_of(plain_scopes, plain_scopes.map(lambda scope: f"{scope}:*"), st.just(ALL))
all_scopes = st.one_of(open_scopes, st.sampled_from(sorted(RESERVED)))
scope_sets = st.frozensets(all_scopes, max_size=5)


@pytest.mark.parametrize(
    "scope",
    [
        "*",
        "sessions",
        "sessions:read",
        "sessions:*",
        "a:b:c:d:*",
        "a-b_c.d:0",
        "0",
        "authsvc",
        "authsvcx:read",
        VALIDATE,
        KEYS,
        ADMIN,
        "a" * MAX_SCOPE_LENGTH,
    ],
)
def test_a_well_formed_scope_is_one(scope: str) -> None:
    assert is_scope(scope)


@pytest.mark.parametrize(
    "scope",
    [
        "",
        " ",
        "*:read",
        "**",
        "sessions:",
        ":read",
        "sessions::read",
        "sessions:*:read",
        "sess*",
        "sessions:re*",
        "Sessions:read",
        "sessions read",
        "sessions:read\n",
        " sessions",
        'a"b',
        "a\\b",
        "_a",
        "-a",
        ".a",
        "s\u00e9ance",
        "\uff53essions",
        "authsvc:*",
        "authsvc:write",
        "authsvc:admin:more",
        "a" * (MAX_SCOPE_LENGTH + 1),
    ],
)
def test_a_malformed_scope_is_none(scope: str) -> None:
    assert not is_scope(scope)


@given(st.text(max_size=20))
def test_no_text_with_a_quote_a_blank_or_a_control_is_a_scope(text: str) -> None:
    unfit = any(character in '"\\ ' or not character.isprintable() for character in text)

    assert not (unfit and is_scope(text))


@pytest.mark.parametrize(
    ("granted", "required"),
    [
        ("*", "sessions:read"),
        ("*", "sessions:*"),
        ("*", "*"),
        ("sessions:*", "sessions:read"),
        ("sessions:*", "sessions:read:one"),
        ("sessions:*", "sessions:read:*"),
        ("sessions:*", "sessions:*"),
        ("sessions:read", "sessions:read"),
        ("a:b:*", "a:b:c:d"),
        (ADMIN, VALIDATE),
        (ADMIN, KEYS),
        (ADMIN, ADMIN),
        (VALIDATE, VALIDATE),
    ],
)
def test_a_scope_covers_what_it_names_and_what_lies_below(granted: str, required: str) -> None:
    assert covers({granted}, required)


@pytest.mark.parametrize(
    ("granted", "required"),
    [
        ("sessions:read", "*"),
        ("sessions:*", "*"),
        ("sessions:*", "sessions"),
        ("sessions:*", "sessionsx:read"),
        ("sessions:*", "other:read"),
        ("sessions:read", "sessions:*"),
        ("sessions:read", "sessions:read:one"),
        ("sessions", "sessions:read"),
        ("a:b:*", "a:c"),
        ("a:b:*", "a:*"),
        (KEYS, VALIDATE),
        (KEYS, ADMIN),
        (VALIDATE, KEYS),
        (ADMIN, "sessions:read"),
        (ADMIN, "*"),
        (KEYS, "keys:*"),
    ],
)
def test_a_scope_covers_nothing_beside_or_above_it(granted: str, required: str) -> None:
    assert not covers({granted}, required)


@pytest.mark.parametrize("reserved", sorted(RESERVED))
def test_the_wildcard_never_covers_a_reserved_scope(reserved: str) -> None:
    assert not covers({"*", "authsvc:*", "authsvc", "a:*"}, reserved)


def test_nothing_granted_covers_nothing() -> None:
    assert not covers(frozenset(), "sessions:read")


@given(all_scopes)
def test_every_scope_covers_itself(scope: str) -> None:
    assert covers({scope}, scope)


@given(scope_sets, scope_sets, all_scopes)
def test_more_granted_scopes_never_cover_less(
    granted: frozenset[str], more: frozenset[str], required: str
) -> None:
    assert not covers(granted, required) or covers(granted | more, required)


@given(all_scopes, all_scopes, all_scopes)
def test_covering_is_transitive(first: str, second: str, third: str) -> None:
    chained = covers({first}, second) and covers({second}, third)

    assert not chained or covers({first}, third)


@given(st.frozensets(open_scopes), st.sampled_from(sorted(RESERVED)))
def test_no_open_scopes_ever_cover_a_reserved_one(granted: frozenset[str], reserved: str) -> None:
    assert not covers(granted, reserved)


@given(scope_sets)
def test_scopes_outside_the_system_account_hold_nothing_reserved(scopes: frozenset[str]) -> None:
    assert not RESERVED & set(without_reserved(scopes))


@given(st.lists(open_scopes))
def test_open_scopes_are_kept_as_they_are(scopes: list[str]) -> None:
    assert without_reserved(scopes) == tuple(scopes)
