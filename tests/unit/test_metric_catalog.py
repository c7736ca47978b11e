"""The names of metrics keep Prometheus' conventions, and docs/metrics.md has them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from authsvc.metrics.catalog import ALL, WORKER, Kind, Metric

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
# Few values each, whatever callers do.
LABELS = {
    *("cache", "cause", "certificate", "class", "code", "counted_by", "event", "grpc", "issuer"),
    *("kind", "method", "outcome", "python", "reason", "result", "state", "version"),
}
# What a gauge without a unit counts or tells.
UNITLESS = {
    *("authsvc_build_info", "authsvc_worker_up", "authsvc_ready", "authsvc_database_up"),
    *("authsvc_rpc_in_flight", "authsvc_cache_entries", "authsvc_cache_absent_entries"),
    *("authsvc_cache_reads_in_flight", "authsvc_follower_connected"),
    *("authsvc_database_pool_connections", "authsvc_database_pool_limit"),
    *("authsvc_database_pool_waiting", "authsvc_usage_buffered_entries"),
    *("authsvc_rate_limit_store_away", "authsvc_password_hashes_in_progress"),
    *("authsvc_password_hashes_limit", "authsvc_watch_streams"),
    *("process_open_fds", "process_max_fds"),
}


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_name_keeps_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"(authsvc|process)(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    if metric.kind is Kind.HISTOGRAM:
        assert metric.name.endswith("_seconds")
    if metric.kind is Kind.GAUGE:
        has_unit = metric.name.endswith(("_seconds", "_bytes"))
        assert has_unit != (metric.name in UNITLESS)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_metric_is_explained_and_has_bounded_labels(metric: Metric) -> None:
    assert metric.help.endswith(".")
    assert set(metric.labels) <= LABELS
    assert WORKER not in metric.labels


def test_no_two_metrics_have_one_name() -> None:
    names = [metric.name for metric in ALL]

    assert len(names) == len(set(names))


def test_the_documentation_has_the_table() -> None:
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]

    assert rows == [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} "
        f"| {metric.help} |"
        for metric in ALL
    ]
