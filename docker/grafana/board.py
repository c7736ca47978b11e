"""The dashboard: the rows in their order, and the variables that choose the servers."""

from __future__ import annotations

from itertools import count
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from docker.grafana.calls import CALLS
from docker.grafana.panels import SOURCE, Row
from docker.grafana.parts import PARTS

ROWS: Final[tuple[Row, ...]] = (*CALLS, *PARTS)

_INSTANCES: Final = 'label_values(authsvc_build_info{job=~"$job"}, instance)'
_STARTS: Final = (
    'changes(process_start_time_seconds{job=~"$job",instance=~"$instance"}[$__interval]) > 0'
)


def board() -> models.Dashboard:
    """Return the dashboard in Grafana's types."""
    shown = (
        dashboard.Dashboard("authsvc")
        .uid("authsvc")
        .description(
            "Who may do what: is it up, how fast, what verdicts, how fresh. Closed rows are for "
            "looking closer. Where a line crosses red, an alert fires or is about to."
        )
        .tags(["authsvc"])
        .timezone("browser")
        .time("now-3h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Source").type("prometheus")
        )
        .with_variable(_choice("job", "Job", "label_values(authsvc_build_info, job)"))
        .with_variable(
            # A replica that says nothing is in no such list: all are whatever there is.
            _choice("instance", "Replica", _INSTANCES).all_value(".*")
        )
        .annotation(_starts())
    )
    for row in ROWS:
        heading = dashboard.Row(row.question)
        if row.closed:
            for panel in row.panels:
                heading = heading.with_panel(panel.build())
        shown = shown.with_row(heading)
        if not row.closed:
            for panel in row.panels:
                shown = shown.with_panel(panel.build())
    built = shown.build()
    _number(built)
    return built


def _choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.NATURAL_ASC)
        .multi(True)  # noqa: FBT003 - its signature
        .include_all(True)  # noqa: FBT003
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )


def _starts() -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name("Starts of processes")
        .datasource(SOURCE)
        .enable(True)  # noqa: FBT003 - its signature
        .icon_color("blue")
        .expr(_STARTS)
    )


def _number(built: models.Dashboard) -> None:
    """Give each panel its number: without them Grafana makes new ones whenever it starts."""
    numbers = count(1)
    for panel in built.panels or ():
        panel.id_val = next(numbers)
        if isinstance(panel, models.RowPanel):
            for inner in panel.panels:
                inner.id_val = next(numbers)
