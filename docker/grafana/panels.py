"""What a panel of the dashboard is, and how one is written in Grafana's own types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import starmap
from types import MappingProxyType
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

# The metrics in an expression, and what their braces hold already.
_SELECTOR: Final = re.compile(r"\b(authsvc_\w+|process_\w+|up)\b(?:\{(?P<labels>.*?)\})?")
_CHOSEN: Final = 'job=~"$job",instance=~"$instance"'


class Query(NamedTuple):
    """A PromQL expression, and what its lines are called.

    It names neither the servers it is about, which the variables at the dashboard's top choose, nor
    the time that a rate is taken over, for which `[R]` stands.
    """

    expression: str
    legend: str

    def text(self) -> str:
        """Return the expression as Grafana keeps it, with the variables in it."""
        return _SELECTOR.sub(_chosen, self.expression).replace("[R]", "[$__rate_interval]")


class Panel(NamedTuple):
    """A graph, or numbers: how it is now. Made by `graph` and `number`.

    Attributes:
        description: What it shows and, where it is not plain, what to do about it.
        unit: Grafana's name of it (`grafana_foundation_sdk.models.units`).
        levels: From which value on it is drawn in which colour; see `above` and `below`.
        words: What is written instead of a value.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    levels: tuple[models.Threshold, ...]
    words: Mapping[str, str] = MappingProxyType({})
    is_number: bool = False

    def build(self) -> timeseries.Panel | stat.Panel:
        """Return it as Grafana's."""
        return self._number() if self.is_number else self._graph()

    def _graph(self) -> timeseries.Panel:
        legend = common.VizLegendOptions().show_legend(True)  # noqa: FBT003 - its signature
        legend = legend.display_mode(looks.LegendDisplayMode.TABLE).calcs(["lastNotNull", "max"])
        tooltip = common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI)
        panel = (
            timeseries.Panel()
            .title(self.title)
            .description(self.description)
            .datasource(SOURCE)
            .unit(self.unit)
            .min(0)
            .height(8)
            .span(8)
            .fill_opacity(8)
            .show_points(looks.VisibilityMode.NEVER)
            .legend(legend.placement(looks.LegendPlacement.BOTTOM))
            .tooltip(tooltip.sort(looks.SortOrder.DESCENDING))
            .targets(self._targets())
        )
        if self.levels:
            lines = common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
            panel = panel.thresholds(self._thresholds()).thresholds_style(lines)
        return panel

    def _number(self) -> stat.Panel:
        words = {value: models.ValueMappingResult(text=text) for value, text in self.words.items()}
        panel = (
            stat.Panel()
            .title(self.title)
            .description(self.description)
            .datasource(SOURCE)
            .unit(self.unit)
            .height(4)
            .span(4)
            .color_mode(looks.BigValueColorMode.VALUE)
            .graph_mode(looks.BigValueGraphMode.AREA)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
            .thresholds(self._thresholds())
            .targets(self._targets())
        )
        return panel.mappings([models.ValueMap(options=words)]) if words else panel

    def _thresholds(self) -> dashboard.ThresholdsConfig:
        levels = self.levels or above()
        return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps([*levels])

    def _targets(self) -> list[Builder[Dataquery]]:
        return [
            prometheus.Dataquery()
            .datasource(SOURCE)
            .expr(query.text())
            .legend_format(query.legend)
            .ref_id(letter)
            .range()
            for letter, query in zip("ABCDEFGH", self.queries, strict=False)
        ]


class Row(NamedTuple):
    """Panels that answer one question. A closed row asks Prometheus nothing until it is opened."""

    question: str
    panels: tuple[Panel, ...]
    closed: bool = False


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: tuple[str, str],
    levels: tuple[models.Threshold, ...] = (),
) -> Panel:
    """Return a graph of the queries: of each its expression, and what its lines are called."""
    return Panel(title, description, unit, tuple(starmap(Query, queries)), levels)


def number(
    title: str,
    description: str,
    unit: str,
    *queries: tuple[str, str],
    levels: tuple[models.Threshold, ...] = (),
    words: Mapping[str, str] = MappingProxyType({}),
) -> Panel:
    """Return a number for each query: how it is now."""
    asked = tuple(starmap(Query, queries))
    return Panel(title, description, unit, asked, levels, words, is_number=True)


def took(quantile: float, histogram: str, *by: str, of: str = "") -> str:
    """Return an expression of how long that share of what a histogram counts took at most.

    Args:
        quantile: The share; from 0 to 1.
        histogram: The metric, without the ending of its buckets.
        by: The labels that each have a line of their own.
        of: Which labels what counts has, as in braces; empty for all of it.
    """
    buckets = f"{histogram}_bucket{{{of}}}" if of else f"{histogram}_bucket"
    labels = ", ".join((*by, "le"))
    return f"histogram_quantile({quantile}, sum by ({labels}) (rate({buckets}[R])))"


def above(*, warn: float | None = None, bad: float | None = None) -> tuple[models.Threshold, ...]:
    """Return levels of what is bad when it is large. From `bad` on an alert fires, or soon does."""
    return _levels("green", (warn, "orange"), (bad, "red"))


def below(*, good: float, fair: float | None = None) -> tuple[models.Threshold, ...]:
    """Return levels of what is bad when it is small."""
    return _levels("red", (fair, "orange"), (good, "green"))


def _levels(first: str, *steps: tuple[float | None, str]) -> tuple[models.Threshold, ...]:
    return (
        models.Threshold(value=None, color=first),
        *(
            models.Threshold(value=value, color=color)
            for value, color in steps
            if value is not None
        ),
    )


def _chosen(found: re.Match[str]) -> str:
    labels = found["labels"]
    return f"{found[1]}{{{_CHOSEN}{',' + labels if labels else ''}}}"
