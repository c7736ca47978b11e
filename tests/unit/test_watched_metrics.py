"""The dashboard and the alerts ask for what the service tells, by the names that it uses."""

from __future__ import annotations

import re

import grpc
import pytest

from authsvc.metrics.catalog import ALL, WORKER, Kind, Metric
from orchestrator.auth.v1 import (
    account_service_pb2,
    audit_service_pb2,
    auth_service_pb2,
    session_service_pb2,
)
from orchestrator.auth.v1.denial_pb2 import DenialReason
from orchestrator.auth.v1.error_reason_pb2 import ErrorReason
from tests.unit.watching import Matcher, groupings, panel_expressions, rules, selectors

SERVICES = (account_service_pb2, audit_service_pb2, auth_service_pb2, session_service_pb2)
METHODS = {
    f"{service.full_name}/{method.name}"
    for module in SERVICES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
REASONS = {
    "OK",
    *(name.removeprefix("DENIAL_REASON_") for name in DenialReason.DESCRIPTOR.values_by_name),
    *(name.removeprefix("ERROR_REASON_") for name in ErrorReason.DESCRIPTOR.values_by_name),
}
VALUES = {"method": METHODS, "code": {code.name for code in grpc.StatusCode}, "reason": REASONS}

# What Prometheus adds to all that it scrapes.
OF_PROMETHEUS = {"job", "instance"}
EXPRESSIONS = sorted({*panel_expressions(), *(rule["expr"] for rule in rules())})
ASKED = [selector for expression in EXPRESSIONS for selector in selectors(expression)]
NOT_SHOWN = {
    "process_virtual_memory_bytes",  # says nothing of a Python process
    "process_start_time_seconds",  # marks, not a panel
}


def _series(metric: Metric) -> dict[str, set[str]]:
    """Return the names under which a metric is exported, each with its labels."""
    labels = {*metric.labels, WORKER, *OF_PROMETHEUS}
    if metric.kind is not Kind.HISTOGRAM:
        return {metric.name: labels}
    plain = {f"{metric.name}_sum": labels, f"{metric.name}_count": labels}
    return {f"{metric.name}_bucket": {*labels, "le"}, **plain}


SERIES = {name: labels for metric in ALL for name, labels in _series(metric).items()}
SERIES["up"] = OF_PROMETHEUS


def test_every_metric_is_exported() -> None:
    assert {selector.metric for selector in ASKED} <= SERIES.keys()


def test_every_label_is_one_of_its_metric() -> None:
    unknown = [
        f"{selector.metric} has no {matcher.label}"
        for selector in ASKED
        for matcher in selector.matchers
        if matcher.label not in SERIES[selector.metric]
    ]
    assert unknown == []


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_label_that_is_grouped_by_is_there(expression: str) -> None:
    of_metrics = [SERIES[selector.metric] for selector in selectors(expression)]
    assert groupings(expression) <= set().union(*of_metrics, {"job"})


def test_every_value_of_a_label_exists() -> None:
    matchers = {matcher for selector in ASKED for matcher in selector.matchers}
    assert [matcher for matcher in matchers if not _exists(matcher)] == []


def test_every_counter_is_asked_for_its_rate() -> None:
    counters = {metric.name for metric in ALL if metric.kind is Kind.COUNTER}
    plain = re.compile(r"(?<!rate\()(?<!increase\()\b(?:" + "|".join(counters) + r")\b(?!_)")
    assert [found for found in EXPRESSIONS if plain.search(found)] == []


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        re.sub(r"_(bucket|sum|count)$", "", selector.metric)
        for expression in panel_expressions()
        for selector in selectors(expression)
    }
    assert {metric.name for metric in ALL} - shown == NOT_SHOWN


def _exists(matcher: Matcher) -> bool:
    """Return whether there are values that the matcher is about, and each alternative names one."""
    values = VALUES.get(matcher.label)
    if values is None:
        return True
    if "~" not in matcher.operator:
        return matcher.value in values
    if re.fullmatch(r"[\w|]+", matcher.value):
        return set(matcher.value.split("|")) <= values
    return any(re.fullmatch(matcher.value, value) for value in values)
