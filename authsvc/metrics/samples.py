"""The value of a metric at a moment, and how one process tells another of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeAlias

from authsvc.domain.tallies import Durations
from authsvc.metrics.catalog import ALL, Metric


class Classes(NamedTuple):
    """The value of a histogram."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    """One for each bound, not added up, and one for what is above all of them."""
    total: float


Value: TypeAlias = float | Classes


class Sample(NamedTuple):
    """One value of a metric."""

    metric: Metric
    value: Value
    labels: tuple[str, ...] = ()
    """The values of the metric's labels, in the same order."""


_BY_NAME: Final = {metric.name: metric for metric in ALL}


def durations_sample(metric: Metric, durations: Durations, *labels: str) -> Sample:
    """Return the present value of a histogram."""
    value = Classes(tuple(durations.bounds), tuple(durations.counts), durations.total)
    return Sample(metric, value, labels)


def encode(samples: Iterable[Sample]) -> bytes:
    """Return samples as another process of this service reads them."""
    return json.dumps([(metric.name, value, labels) for metric, value, labels in samples]).encode()


def decode(data: bytes) -> list[Sample]:
    """Read samples.

    What this process has no such metric for is left out: the other may be of a later version.

    Raises:
        ValueError: These are no samples.
    """
    try:
        return [
            Sample(_BY_NAME[name], _value(value), tuple(labels))
            for name, value, labels in json.loads(data)
            if name in _BY_NAME
        ]
    except TypeError as error:
        raise ValueError("no samples") from error


def _value(value: Any) -> Value:  # noqa: ANN401 - whatever JSON can be
    if isinstance(value, list):
        bounds, counts, total = value
        return Classes(tuple(bounds), tuple(counts), total)
    return float(value)
