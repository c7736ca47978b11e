"""The samples of all workers as one page, in the format that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from authsvc.metrics.catalog import ALL, WORKER, Kind
from authsvc.metrics.samples import Classes, Sample

_FAMILIES: Final = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}


class Page(NamedTuple):
    """What is answered to a scrape."""

    body: bytes
    content_type: str


def page(samples: Mapping[int, Sequence[Sample]], accept: str) -> Page:
    """Return a page.

    Args:
        samples: The samples of each worker, by its number.
        accept: The formats that the client takes, as in the header of that name.
    """
    encode, content_type = choose_encoder(accept)
    return Page(encode(_Families(samples)), content_type)


class _Families(Collector):
    """Samples by their metrics, as the library wants them. Metrics without samples are left out."""

    def __init__(self, samples: Mapping[int, Sequence[Sample]]) -> None:
        self._samples: dict[str, list[tuple[int, Sample]]] = {metric.name: [] for metric in ALL}
        for worker, of_worker in sorted(samples.items()):
            for sample in of_worker:
                self._samples[sample.metric.name].append((worker, sample))

    def collect(self) -> Iterator[Metric]:
        for metric in ALL:
            samples = self._samples[metric.name]
            if not samples:
                continue
            names = (*metric.labels, WORKER)
            if metric.kind is Kind.HISTOGRAM:
                yield _histogram(metric.name, metric.help, names, samples)
                continue
            family = _FAMILIES[metric.kind](metric.name, metric.help, labels=names)
            for worker, sample in samples:
                if not isinstance(sample.value, Classes):
                    family.add_metric((*sample.labels, str(worker)), sample.value)
            yield family


def _histogram(
    name: str, text: str, names: Sequence[str], samples: Sequence[tuple[int, Sample]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=names)
    for worker, sample in samples:
        if isinstance(sample.value, Classes):
            bounds = [*map(floatToGoString, sample.value.bounds), "+Inf"]
            buckets = list(zip(bounds, accumulate(sample.value.counts), strict=True))
            family.add_metric((*sample.labels, str(worker)), buckets, sample.value.total)
    return family
