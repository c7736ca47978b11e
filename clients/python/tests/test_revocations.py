"""What a watch leaves known, over time: the clocks are the tests' own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.auth import (
    AccountChanged,
    Heartbeat,
    KeyRevoked,
    Reset,
    SessionRevoked,
    UserChanged,
    _revocations,
)
from orchestrator.auth._claims import Claims
from orchestrator.auth._revocations import Revocations

START = datetime(2026, 1, 2, tzinfo=UTC)
USER, SESSION = "user_" + "0" * 26, "sess_" + "0" * 26
LEEWAY = timedelta(seconds=10)


@dataclass
class Clock:
    now: datetime = START
    seconds: float = 1000.0

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class Heard:
    """Revocations, and what makes them hear."""

    clock: Clock = field(default_factory=Clock)
    revision: int = 10

    def __post_init__(self) -> None:
        self.told = Revocations(
            leeway=LEEWAY,
            max_staleness=timedelta(seconds=5),
            clock=lambda: self.clock.now,
            monotonic=lambda: self.clock.seconds,
        )

    def reset(self) -> None:
        self.told.hear(Reset(self.revision))

    def beat(self, age: float = 0.0) -> None:
        self.told.hear(Heartbeat(self.clock.now - timedelta(seconds=age), self.revision))

    def end(self, session_id: str = SESSION) -> None:
        self.revision += 1
        self.told.hear(SessionRevoked(session_id, USER, "acct_1", self.revision))

    def change_user(self, user_id: str = USER) -> None:
        self.revision += 1
        self.told.hear(UserChanged(user_id, "acct_1", self.revision))

    def claims(self, age: float = 0.0, life: float = 900.0) -> Claims:
        issued = self.clock.now - timedelta(seconds=age)
        expires = issued + timedelta(seconds=life)
        return Claims(USER, "acct_1", SESSION, frozenset(), issued, expires)


@pytest.fixture
def heard() -> Heard:
    """Give what followed a watch for an hour."""
    heard = Heard()
    heard.reset()
    heard.clock.move(3600)
    heard.beat()
    return heard


def test_nothing_is_known_before_a_heartbeat() -> None:
    heard = Heard()
    assert heard.told.as_of is None
    heard.reset()
    assert heard.told.as_of is None
    heard.beat()
    assert heard.told.as_of == heard.clock.now


def test_without_a_beginning_it_speaks_for_no_token() -> None:
    heard = Heard()
    heard.beat()

    assert not heard.told.speaks_for(heard.claims())


def test_a_reset_ends_what_is_known_until_the_next_heartbeat(heard: Heard) -> None:
    heard.reset()
    assert heard.told.as_of is None
    heard.beat()
    assert heard.told.as_of == heard.clock.now


@pytest.mark.parametrize(("silence", "known"), [(5.0, True), (5.1, False)])
def test_silence_makes_it_unknown(heard: Heard, silence: float, known: bool) -> None:  # noqa: FBT001
    heard.clock.move(silence)

    assert (heard.told.as_of is not None) is known


def test_a_clock_that_stood_still_while_the_machine_slept_does_not_deceive(heard: Heard) -> None:
    heard.clock.now += timedelta(hours=1)

    assert heard.told.as_of is None


def test_a_clock_that_is_set_back_does_not_deceive(heard: Heard) -> None:
    heard.clock.now -= timedelta(hours=1)
    heard.clock.seconds += 6

    assert heard.told.as_of is None


@pytest.mark.parametrize(("age", "known"), [(15.0, True), (15.1, False)])
def test_clocks_may_disagree_by_the_leeway(heard: Heard, age: float, known: bool) -> None:  # noqa: FBT001
    heard.beat(age)

    assert (heard.told.as_of is not None) is known


@pytest.mark.parametrize(("age", "speaks"), [(3589.0, True), (3590.0, False), (3601.0, False)])
def test_it_speaks_for_tokens_from_after_the_beginning(
    heard: Heard,
    age: float,
    speaks: bool,  # noqa: FBT001
) -> None:
    assert heard.told.speaks_for(heard.claims(age)) is speaks


@pytest.mark.parametrize(("later", "speaks"), [(9.0, False), (10.0, False), (11.0, True)])
def test_it_speaks_for_tokens_from_after_the_last_change(
    heard: Heard,
    later: float,
    speaks: bool,  # noqa: FBT001
) -> None:
    heard.change_user()
    heard.clock.move(later)

    assert heard.told.speaks_for(heard.claims()) is speaks


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "user_dev"},
        {"session_id": ""},
        {"session_id": "sess_8"},
        {"expire_time": START + timedelta(hours=5)},
    ],
)
def test_it_speaks_for_tokens_of_sessions_only(heard: Heard, changes: dict[str, str]) -> None:
    assert heard.told.speaks_for(heard.claims())
    assert not heard.told.speaks_for(replace(heard.claims(), **changes))  # type: ignore[arg-type]


def test_an_answer_holds_until_something_is_told(heard: Heard) -> None:
    place = heard.told.place
    heard.change_user(f"user_{'1' * 26}")
    heard.told.hear(KeyRevoked("key_1", "acct_1", 99))
    assert heard.told.still_holds(heard.claims(), place)

    heard.told.hear(AccountChanged("acct_1", 100))
    assert not heard.told.still_holds(heard.claims(), place)
    assert heard.told.still_holds(heard.claims(), heard.told.place)


def test_an_answer_must_reflect_the_latest_that_was_told_of_the_token(heard: Heard) -> None:
    assert heard.told.demand(heard.claims()) == 0
    heard.change_user()
    latest = heard.revision
    heard.end(f"sess_{'1' * 26}")

    assert heard.told.demand(heard.claims()) == latest
    assert heard.told.revision == latest + 1


def test_an_ended_session_is_kept_as_long_as_its_tokens_live(heard: Heard) -> None:
    heard.end()
    last = heard.claims(life=3600)
    while last.expire_time > heard.clock.now - LEEWAY:
        assert heard.told.has_ended(last)
        heard.clock.move(60)
        heard.beat()

    heard.clock.move(60)
    heard.beat()
    assert not heard.told.has_ended(last)


def test_what_is_forgotten_ends_the_answers_from_before_it(heard: Heard) -> None:
    place = heard.told.place
    heard.end()
    heard.clock.move(2 * 3600)
    heard.beat()
    long_lived = heard.claims(age=7200, life=10 * 3600)

    assert not heard.told.has_ended(long_lived)
    assert not heard.told.still_holds(long_lived, place)
    assert not heard.told.speaks_for(long_lived)


def test_too_much_is_forgotten_as_after_a_reset(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_revocations, "MOST_KEPT", 3)
    place, before = heard.told.place, heard.claims()
    for number in range(4):
        heard.end(f"sess_{number}{'0' * 25}")

    assert not heard.told.speaks_for(before)
    assert not heard.told.still_holds(before, place)
    assert heard.told.as_of is not None
    assert heard.told.has_ended(replace(before, session_id=f"sess_3{'0' * 25}"))
