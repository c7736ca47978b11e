"""The alerts: Prometheus takes them, each is seen firing, and each says what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.unit.watching import PROMETHEUS, ROOT, alerts, needs_promtool, promtool

NAMES = [alert["alert"] for alert in alerts()]


@needs_promtool
def test_prometheus_takes_its_configuration() -> None:
    promtool("check", "config", "prometheus.yml")


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")


@needs_promtool
def test_the_alerts_fire_when_they_should_and_else_do_not() -> None:
    promtool("test", "rules", "alerts_test.yml")


def test_each_alert_is_seen_firing() -> None:
    cases = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    fired = [
        sample["labels"]
        for case in cases
        for asked in case["promql_expr_test"]
        for sample in asked.get("exp_samples", ())
    ]
    seen = re.findall(r'alertname="(\w+)",alertstate="firing"', "\n".join(fired))
    assert set(seen) == set(NAMES)


@pytest.mark.parametrize("alert", alerts(), ids=NAMES)
def test_each_alert_tells_a_person_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["annotations"]["description"].endswith(".")
    page, anchor = alert["annotations"]["runbook"].split("#")
    assert anchor in _anchors(page)


@pytest.mark.parametrize("alert", alerts(), ids=NAMES)
def test_each_alert_is_in_the_documentation_as_it_is(alert: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{alert['alert']}` \| (\w+) \| .*\]\((.*?)\) \|$", text, re.MULTILINE)
    assert row is not None
    page = alert["annotations"]["runbook"].removeprefix("docs/").removeprefix("alerts.md")
    assert row.groups() == (alert["labels"]["severity"], page)


def _anchors(page: str) -> set[str]:
    """Return what the headings of a page are called in links."""
    text = (ROOT / page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
