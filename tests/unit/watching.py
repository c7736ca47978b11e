"""What Prometheus and Grafana ask for, read for tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "docker" / "prometheus"
GRAFANA = ROOT / "docker" / "grafana"
DASHBOARD = GRAFANA / "dashboards" / "authsvc.json"

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus"
)

_SELECTOR = re.compile(
    r"(?<![\w:])(?P<metric>(?:authsvc|process)_\w+|up)\b(?:\{(?P<labels>.*?)\})?"
)
_MATCHER = re.compile(r'(?P<label>\w+)(?P<operator>=~|!~|!=|=)"(?P<value>.*?)"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring) \((?P<labels>.*?)\)")


class Matcher(NamedTuple):
    """`label="value"` within an expression."""

    label: str
    operator: str
    value: str


class Selector(NamedTuple):
    """A metric that an expression asks for."""

    metric: str
    matchers: tuple[Matcher, ...]


def selectors(expression: str) -> list[Selector]:
    return [
        Selector(
            found["metric"],
            tuple(
                Matcher(*matcher.groups()) for matcher in _MATCHER.finditer(found["labels"] or "")
            ),
        )
        for found in _SELECTOR.finditer(expression)
    ]


def groupings(expression: str) -> set[str]:
    """Return the labels that an expression keeps or joins on."""
    found = (labels.split(",") for labels in _GROUPING.findall(expression))
    return {label.strip() for labels in found for label in labels}


@cache
def rules() -> list[dict[str, Any]]:
    """Return all rules, those that record and those that alert."""
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


@cache
def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return loaded


def panels(within: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all panels, those in closed rows too, and no rows."""
    for panel in within["panels"]:
        if panel["type"] == "row":
            yield from panels(panel)
        else:
            yield panel


def panel_expressions() -> list[str]:
    """Return all queries of the dashboard's panels."""
    return [target["expr"] for panel in panels(dashboard()) for target in panel["targets"]]


def promtool(*arguments: str | Path, directory: Path = PROMETHEUS) -> None:
    """Run promtool, and fail with what it says if it fails."""
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *arguments], cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
