"""The dashboard that Grafana reads at its start."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from docker.grafana.board import ROWS, board
from tests.unit.watching import (
    GRAFANA,
    dashboard,
    needs_promtool,
    panel_expressions,
    panels,
    promtool,
    selectors,
)

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLES = {"$job": "authsvc", "$instance": "a:1", "$__rate_interval": "1m", "$__interval": "15s"}


def test_the_committed_one_is_what_its_source_makes() -> None:
    made = json.loads(json.dumps(board(), cls=JSONEncoder))
    assert dashboard() == made, "run `make dashboard` and commit the result"


def test_grafana_s_types_know_every_field_of_it() -> None:
    read = Dashboard.from_json(dashboard())
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == dashboard()


def test_the_source_of_data_is_chosen_and_nowhere_fixed() -> None:
    found = [panel["datasource"] for panel in panels(dashboard())]
    found += [target["datasource"] for panel in panels(dashboard()) for target in panel["targets"]]
    found += [query["datasource"] for query in dashboard()["annotations"]["list"]]
    variables = {found["name"]: found for found in dashboard()["templating"]["list"]}
    found += [variables["job"]["datasource"], variables["instance"]["datasource"]]
    assert variables["datasource"]["query"] == "prometheus"
    assert [source for source in found if source != SOURCE] == []


def test_every_query_is_of_the_replicas_that_were_chosen() -> None:
    chosen = [("job", "=~", "$job"), ("instance", "=~", "$instance")]
    asked = [found for expression in panel_expressions() for found in selectors(expression)]
    assert [selector for selector in asked if [*selector.matchers[:2]] != chosen] == []


def test_every_panel_says_what_it_shows_and_in_what_unit() -> None:
    for panel in panels(dashboard()):
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_every_title_and_number_is_there_once() -> None:
    rows = [row for row in dashboard()["panels"] if row["type"] == "row"]
    every = [*rows, *panels(dashboard())]
    numbers = [panel["id"] for panel in every]
    assert sorted(numbers) == list(range(1, len(every) + 1))
    titles = [panel.title for row in ROWS for panel in row.panels]
    assert len(titles) == len(set(titles))


def test_no_panel_lies_on_another() -> None:
    open_ones = [panel["gridPos"] for panel in dashboard()["panels"]]
    closed = [
        [panel["gridPos"] for panel in row.get("panels", [])] for row in dashboard()["panels"]
    ]
    for together in (open_ones, *closed):
        places = [
            (column, line)
            for at in together
            for column, line in itertools.product(
                range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
            )
        ]
        assert len(places) == len(set(places))
        assert all(column < 24 for column, _ in places)


@needs_promtool
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    expressions = panel_expressions()
    expressions += [query["expr"] for query in dashboard()["annotations"]["list"]]
    recorded = []
    for number, expression in enumerate(expressions):
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)  # noqa: PLW2901 - step by step
        recorded.append({"record": f"query:{number}", "expr": expression})
    rules = tmp_path / "queries.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}))
    promtool("check", "rules", rules)


def test_grafana_is_told_where_dashboards_and_data_are() -> None:
    provisioning = GRAFANA / "provisioning"
    (source,) = _read(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    assert source["type"] == "prometheus"
    assert source["isDefault"]
    (provider,) = _read(provisioning / "dashboards" / "authsvc.yaml")["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return read
