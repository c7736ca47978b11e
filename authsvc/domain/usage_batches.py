"""What was counted, brought into the form in which it is written: batches that can be repeated."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from authsvc.domain.networks import find_network

GRANTED: Final = "OK"
"""The outcome of a good verdict; that of a denial is the name of its reason."""
MAX_SOURCES: Final = 100
"""The most client addresses, and the most callers, that are kept of a key."""
MAX_BATCH_ROWS: Final = 5000
"""About how many rows a batch writes: no statement takes long, or holds its locks long."""


Combination: TypeAlias = tuple[str, str, str, str | None]
"""What verdicts that are counted together have in common.

The key; the outcome; the client's address as it was told, empty when it was not; and who asked,
by its key's id or its certificate's name, empty for this service itself, None where callers are not
told apart.
"""


class SourceKind(StrEnum):
    """Where a use of a key comes from."""

    ADDRESS = "ADDRESS"
    CALLER = "CALLER"


Counts = Mapping[tuple[str, str], int]
"""How often, by key id and outcome."""
SourceCounts = Mapping[tuple[str, SourceKind, str], int]
"""How often, by key id, kind of source and source."""


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """What one statement writes, once, however often it is sent."""

    writer_id: str
    sequence: int
    """Positive; grows from batch to batch of a writer."""
    hour: datetime
    """The beginning of the hour to which the counts belong."""
    seen_time: datetime
    """When the keys were last used, and the sources last seen."""
    counts: Counts
    sources: SourceCounts


class Share(NamedTuple):
    """The counts of some keys."""

    counts: dict[tuple[str, str], int]
    sources: dict[tuple[str, SourceKind, str], int]


def shares_of(
    counted: Iterable[tuple[Combination, int]], pause_after: int
) -> Iterator[Share | None]:
    """Divide what was counted into shares of about `MAX_BATCH_ROWS` rows; each key is in one.

    Args:
        counted: What was counted, each combination once or more.
        pause_after: After how many counters at most there is something, a None if need be, for the
            caller to let others have their turn.
    """
    keys: dict[str, _KeyCounts] = {}
    for number, (combination, count) in enumerate(counted, 1):
        key_id = combination[0]
        if key_id not in keys:
            keys[key_id] = _KeyCounts(Counter(), Counter())
        keys[key_id].add(combination, count)
        if number % pause_after == 0:
            yield None
    share = Share({}, {})
    for key_id, (outcomes, sources) in keys.items():
        share.counts.update({(key_id, outcome): n for outcome, n in outcomes.items()})
        for kind in SourceKind:
            those = [item for item in sources.items() if item[0][0] is kind]
            for (_, source), n in heapq.nlargest(MAX_SOURCES, those, key=lambda item: item[1]):
                share.sources[key_id, kind, source] = n
        if len(share.counts) + len(share.sources) >= MAX_BATCH_ROWS:
            yield share
            share = Share({}, {})
    if share.counts:
        yield share


class _KeyCounts(NamedTuple):
    """The counts of one key."""

    outcomes: Counter[str]
    sources: Counter[tuple[SourceKind, str]]

    def add(self, combination: Combination, count: int) -> None:
        _, outcome, client_address, caller_id = combination
        self.outcomes[outcome] += count
        network = find_network(client_address)
        if network:
            self.sources[SourceKind.ADDRESS, network] += count
        if caller_id is not None:
            self.sources[SourceKind.CALLER, caller_id] += count
