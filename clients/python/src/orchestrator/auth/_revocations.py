"""What a watch has told of sessions, users and accounts, and what that leaves unknown.

Decides, without input or output. Not safe for several threads by itself: its user holds a lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.auth._claims import LONGEST_TOKEN_LIFE
from orchestrator.auth._events import (
    AccountChanged,
    Event,
    Heartbeat,
    Reset,
    SessionRevoked,
    UserChanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestrator.auth._claims import Claims

MOST_KEPT: Final = 200_000
"""The most sessions, users and accounts to keep; past it, all are forgotten as after a reset."""


@dataclass(frozen=True, slots=True)
class _Told:
    place: int
    """The event's place among all that were heard."""
    revision: int
    time: datetime
    """When it was heard, by our clock: later than the change itself."""


class Revocations:
    """Knows which sessions have ended and what has changed since when."""

    def __init__(
        self,
        *,
        leeway: timedelta,
        max_staleness: timedelta,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """Begin without knowing anything.

        Args:
            leeway: How far our clock and those of the servers may disagree.
            max_staleness: How long the watch may be silent before what it told counts no more.
            clock: The time of day, in UTC.
            monotonic: Seconds of a clock that never goes back.
        """
        self._leeway = leeway
        self._max_staleness = max_staleness
        self._clock = clock
        self._monotonic = monotonic
        # Told in this order, so that the oldest are in front. Ids tell by their prefixes what they
        # name, so users and accounts share one.
        self._ended: dict[str, _Told] = {}
        self._changed: dict[str, _Told] = {}
        self._place = 0
        self._floor = 0
        self._revision = 0
        self._known_since: datetime | None = None
        self._as_of: datetime | None = None
        self._heard = 0.0

    def hear(self, event: Event) -> None:
        """Note an event. Those about API keys say nothing of tokens."""
        self._revision = event.revision
        match event:
            case Heartbeat():
                self._as_of, self._heard = event.as_of, self._monotonic()
                self._forget_the_expired()
            case SessionRevoked():
                self._note(self._ended, event.session_id, event)
            case UserChanged():
                self._note(self._changed, event.user_id, event)
            case AccountChanged():
                self._note(self._changed, event.account_id, event)
            case Reset():
                self._start_again()
                # What follows is only known to be complete when a heartbeat says so.
                self._as_of = None
            case _:
                pass

    @property
    def as_of(self) -> datetime | None:
        """Up to when everything is known, by the server's clock; None while that is too long ago.

        The silence is measured by a clock that nobody sets, and by the time of day, too, for that
        clock may stand still while the machine sleeps.
        """
        if self._as_of is None:
            return None
        silence = timedelta(seconds=self._monotonic() - self._heard)
        age = self._clock() - self._as_of
        if silence > self._max_staleness or age > self._max_staleness + self._leeway:
            return None
        return self._as_of

    @property
    def place(self) -> int:
        """The place of the latest event: what `still_holds` asks for."""
        return self._place

    @property
    def revision(self) -> int:
        """The revision of the latest event; 0 when there was none, or no change ever."""
        return self._revision

    def has_ended(self, claims: Claims) -> bool:
        """Tell whether the session of a token is known to have ended. That is final."""
        return claims.session_id in self._ended

    def speaks_for(self, claims: Claims) -> bool:
        """Tell whether nothing can have happened to a token that was not told.

        It has to be issued after the watch began, and after its user and its account last changed;
        by how much after, depends on how far the clocks may disagree.
        """
        if self._known_since is None or not claims.is_of_a_session:
            return False
        unknown_until = max([self._known_since, *(told.time for told in self._told_of(claims))])
        return claims.issue_time > unknown_until + self._leeway

    def still_holds(self, claims: Claims, place: int) -> bool:
        """Tell whether an answer about a token holds that was asked for at a place."""
        return place >= self._floor and all(told.place <= place for told in self._told_of(claims))

    def demand(self, claims: Claims) -> int:
        """Return the revision that an answer about a token must reflect; 0: any will do."""
        return max((told.revision for told in self._told_of(claims)), default=0)

    def _told_of(self, claims: Claims) -> list[_Told]:
        found = (
            self._ended.get(claims.session_id),
            self._changed.get(claims.subject),
            self._changed.get(claims.account_id),
        )
        return [told for told in found if told is not None]

    def _note(self, kept: dict[str, _Told], name: str, event: Event) -> None:
        if len(self._ended) + len(self._changed) >= MOST_KEPT:
            self._start_again()
        self._place += 1
        kept.pop(name, None)
        kept[name] = _Told(self._place, event.revision, self._clock())

    def _start_again(self) -> None:
        self._ended.clear()
        self._changed.clear()
        self._place += 1
        self._floor = self._place
        self._known_since = self._clock()

    def _forget_the_expired(self) -> None:
        # A token that was issued before the event has expired by then.
        horizon = self._clock() - LONGEST_TOKEN_LIFE - 3 * self._leeway
        for kept in (self._ended, self._changed):
            while kept:
                name, told = next(iter(kept.items()))
                if told.time > horizon:
                    break
                del kept[name]
                # Answers about tokens that live longer are asked for again.
                self._floor = max(self._floor, told.place)
