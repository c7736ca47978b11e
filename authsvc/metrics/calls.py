"""Calls that have ended, counted. Every call comes by here: a look-up and a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from authsvc.domain.tallies import Durations, Tally
from authsvc.metrics import catalog
from authsvc.metrics.samples import Sample, durations_sample


class StatusCode(Protocol):
    """A status code of gRPC."""

    @property
    def name(self) -> Any:  # noqa: ANN401 - an enum's own way to say str
        """What it is called."""
        ...


class FinishedCall(Protocol):
    """A call that has ended."""

    @property
    def method(self) -> str:
        """The service and the method."""
        ...

    @property
    def code(self) -> StatusCode:
        """How it ended."""
        ...

    @property
    def reason(self) -> str:
        """Why it was refused, if it was."""
        ...

    @property
    def seconds(self) -> float:
        """How long it took."""
        ...


class _Method:
    """The calls of one method."""

    __slots__ = ("code", "durations", "tallies", "tally")

    def __init__(self) -> None:
        self.tallies: dict[StatusCode, Tally] = {}
        self.durations = Durations()
        # Of the last call. The next one almost always has the same code, which is slow to hash.
        self.code: StatusCode | None = None
        self.tally = Tally()


class CallCounts:
    """Counts calls. There are as few counts as methods of the service, codes and reasons."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self._methods: dict[str, _Method] = {}
        self._refusals: dict[tuple[str, str], int] = {}

    def __call__(self, call: FinishedCall) -> None:
        """Count a call."""
        method = self._methods.get(call.method)
        if method is None:
            method = self._methods[call.method] = _Method()
        code = call.code
        if code is not method.code:
            method.code, method.tally = code, method.tallies.setdefault(code, Tally())
        method.tally.count += 1
        method.durations.add(call.seconds)
        # A call that is OK has a reason where it denies a credential, which verdicts tell of.
        if call.reason and code.name != "OK":
            refusal = call.method, call.reason
            self._refusals[refusal] = self._refusals.get(refusal, 0) + 1

    def samples(self) -> Iterator[Sample]:
        """Tell what was counted."""
        for name, method in self._methods.items():
            for code, tally in method.tallies.items():
                yield Sample(catalog.RPC_REQUESTS, tally.count, (name, code.name))
            yield durations_sample(catalog.RPC_DURATION, method.durations, name)
        for labels, count in self._refusals.items():
            yield Sample(catalog.RPC_REFUSALS, count, labels)
