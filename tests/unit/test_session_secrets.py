"""Refresh tokens and what is kept of them: nothing shows itself, and only the token opens it."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.login_limits import LoginCount, LoginLimit
from authsvc.domain.passwords import Password
from authsvc.domain.refresh_tokens import (
    GrantedSession,
    RefreshToken,
    StoredRefreshToken,
    TokenPair,
)
from authsvc.domain.sessions import Session, SessionEndReason, SessionState
from authsvc.tokens.login_digests import LoginDigests
from authsvc.tokens.pair_sealing import TokenPairSealer
from authsvc.tokens.sealing import SealBroken
from authsvc.usecases.create_session import CreateSessionCommand

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))
TOKEN, NEXT = RefreshToken("orchrt_" + "a" * 64), RefreshToken("orchrt_" + "b" * 64)
PAIR = TokenPair("e.y.j", NOW, NEXT)
SESSION = Session(
    session_id="sess_1",
    user_id="user_1",
    account_id="acct_1",
    user_agent="Firefox",
    address="192.0.2.1",
    last_seen_address="192.0.2.1",
    create_time=NOW,
    last_seen_time=NOW,
    idle_expire_time=NOW + timedelta(days=7),
    expire_time=NOW + timedelta(days=30),
)


def sealer(key: bytes = KEY, previous: bytes | None = None) -> TokenPairSealer:
    return TokenPairSealer(key, previous, os.urandom)


def test_a_token_has_256_random_bits() -> None:
    asked: list[int] = []

    def random_bytes(count: int) -> bytes:
        asked.append(count)
        return b"\xab" * count

    token = RefreshToken.generate(random_bytes)

    assert (asked, token.reveal()) == ([32], "orchrt_" + "ab" * 32)
    assert token.secret() == b"\xab" * 32
    assert RefreshToken.parse(token.reveal()) is not None


@given(st.text() | st.from_regex(r"orchrt_[0-9a-fA-F]{60,68}\n?"))
def test_a_token_has_one_form(text: str) -> None:
    token = RefreshToken.parse(text)

    is_formed = (
        text.startswith("orchrt_") and len(text) == 71 and set(text[7:]) <= set("0123456789abcdef")
    )
    assert (token is not None) is is_formed


@pytest.mark.parametrize(
    "holder",
    [
        TOKEN,
        PAIR,
        GrantedSession(SESSION, PAIR),
        StoredRefreshToken(SESSION, None, None, None),
        CreateSessionCommand("a" * 64, Password("b" * 64)),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_no_secret_shows_itself(holder: object) -> None:
    shown = f"{holder} {holder!r}"

    assert not {"a" * 64, "b" * 64, "e.y.j"} & set(shown.replace("_", " ").split())
    assert "aaaa" not in shown
    assert "bbbb" not in shown
    assert "e.y.j" not in shown


def test_a_pair_is_opened_by_the_token_that_it_answered() -> None:
    opened = sealer().open(TOKEN, sealer().seal(TOKEN, PAIR, "sess_1"), "sess_1")

    assert (opened.access_token, opened.access_token_expire_time) == ("e.y.j", NOW)
    assert opened.refresh_token.reveal() == NEXT.reveal()


def test_a_sealed_pair_holds_neither_token() -> None:
    sealed = sealer().seal(TOKEN, PAIR, "sess_1")

    assert b"e.y.j" not in sealed
    assert NEXT.reveal().encode() not in sealed


@pytest.mark.parametrize(
    ("key", "token", "session_id"),
    [(OTHER_KEY, TOKEN, "sess_1"), (KEY, NEXT, "sess_1"), (KEY, TOKEN, "sess_2")],
)
def test_nothing_else_opens_it(key: bytes, token: RefreshToken, session_id: str) -> None:
    sealed = sealer().seal(TOKEN, PAIR, "sess_1")

    with pytest.raises(SealBroken):
        sealer(key).open(token, sealed, session_id)


@pytest.mark.parametrize("sealed_by", [KEY, OTHER_KEY])
def test_while_the_encryption_key_changes_both_open(sealed_by: bytes) -> None:
    sealed = sealer(sealed_by).seal(TOKEN, PAIR, "sess_1")

    assert sealer(OTHER_KEY, previous=KEY).open(TOKEN, sealed, "sess_1").access_token == "e.y.j"


def test_counts_are_named_by_what_they_are_of_and_by_the_key() -> None:
    digests, others = LoginDigests(KEY), LoginDigests(OTHER_KEY)
    names = {
        one.digest(limit, *parts)
        for one in (digests, others)
        for limit in LoginLimit
        for parts in (("a", "b"), ("ab", ""), ("a",), ("\ud800",))
    }

    assert len(names) == 2 * 3 * 4
    assert {len(name) for name in names} == {32}
    assert digests.digest(LoginLimit.PAIR, "a") == LoginDigests(KEY).digest(LoginLimit.PAIR, "a")


@given(st.sampled_from(LoginLimit), st.integers(min_value=0, max_value=10**9))
def test_waits_grow_and_have_an_end(limit: LoginLimit, failures: int) -> None:
    now, later = limit.delay(failures), limit.delay(failures + 1)

    assert timedelta(0) <= now <= later <= limit.longest
    assert (now > timedelta(0)) is (failures >= limit.threshold)


def test_a_clock_that_is_behind_waits_no_longer_than_the_delay() -> None:
    count = LoginCount(LoginLimit.PAIR, b"", 7, NOW + timedelta(hours=1))

    assert count.wait_at(NOW) == timedelta(seconds=4)


@pytest.mark.parametrize(
    ("later", "end_time", "state"),
    [
        (timedelta(days=7) - timedelta(microseconds=1), None, SessionState.ACTIVE),
        (timedelta(days=7), None, SessionState.EXPIRED),
        (timedelta(0), NOW, SessionState.REVOKED),
        (timedelta(days=7), NOW, SessionState.REVOKED),
    ],
)
def test_a_session_is_active_until_it_ends(
    later: timedelta, end_time: datetime | None, state: SessionState
) -> None:
    reason = None if end_time is None else SessionEndReason.REVOKED

    session = replace(SESSION, end_time=end_time, end_reason=reason)

    assert session.state_at(NOW + later) is state
