"""What every process has: memory, processor time, files; and how late its event loop is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from prometheus_client import ProcessCollector

from authsvc.domain.tallies import Durations
from authsvc.metrics.catalog import PROCESS
from authsvc.metrics.samples import Sample

_TIMER_SECONDS: Final = 0.5
_METRICS: Final = {metric.name: metric for metric in PROCESS}
_COLLECTOR: Final = ProcessCollector(registry=None)


def process_samples() -> Iterator[Sample]:
    """Tell what the system says of this process; nothing where it says it in another way."""
    for family in _COLLECTOR.collect():
        for sample in family.samples:
            if sample.name in _METRICS:
                yield Sample(_METRICS[sample.name], sample.value)


async def measure_lag(lags: Durations) -> None:
    """Set a timer again and again, and count how late it is, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _TIMER_SECONDS
        await asyncio.sleep(_TIMER_SECONDS)
        lags.add(max(0.0, loop.time() - due))
