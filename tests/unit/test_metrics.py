"""Counting calls and durations, the page that tells them, and workers that tell one another."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from authsvc.domain.tallies import Durations
from authsvc.metrics import catalog
from authsvc.metrics.calls import CallCounts
from authsvc.metrics.exposition import page
from authsvc.metrics.place import ALONE, Place
from authsvc.metrics.process import measure_lag, process_samples
from authsvc.metrics.samples import Classes, Sample, decode, durations_sample, encode
from authsvc.metrics.workers import Workers
from authsvc.rpc.observation import FinishedCall

METHOD = "orchestrator.auth.v1.AuthService/ValidateCredential"


def a_call(
    code: grpc.StatusCode = grpc.StatusCode.OK, reason: str = "", seconds: float = 0.0002
) -> FinishedCall:
    return FinishedCall(METHOD, code, reason, seconds, "request", "key_1", "192.0.2.1")


def counted(*calls: FinishedCall) -> dict[str, object]:
    counts = CallCounts()
    for call in calls:
        counts(call)
    return {
        " ".join((sample.metric.name, *sample.labels)): sample.value for sample in counts.samples()
    }


def lines(text: bytes) -> dict[str, float]:
    """Return the values on a page, by name and labels."""
    return {
        " ".join((one.name, *(f"{name}={value}" for name, value in sorted(one.labels.items())))): (
            one.value
        )
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }


def test_calls_are_counted_by_method_and_code() -> None:
    figures = counted(a_call(), a_call(), a_call(grpc.StatusCode.UNAVAILABLE))

    assert figures[f"authsvc_rpc_requests_total {METHOD} OK"] == 2
    assert figures[f"authsvc_rpc_requests_total {METHOD} UNAVAILABLE"] == 1


def test_a_refused_call_is_counted_by_its_reason_and_a_denial_is_not() -> None:
    refused = a_call(grpc.StatusCode.UNAUTHENTICATED, "LOGIN_REFUSED")
    figures = counted(refused, a_call(reason="KEY_REVOKED"))

    assert figures[f"authsvc_rpc_refusals_total {METHOD} LOGIN_REFUSED"] == 1
    assert not any("KEY_REVOKED" in name for name in figures)


def test_calls_are_timed() -> None:
    figures = counted(a_call(seconds=0.0001), a_call(seconds=0.00011), a_call(seconds=60))

    durations = figures[f"authsvc_rpc_duration_seconds {METHOD}"]
    assert isinstance(durations, Classes)
    assert durations.counts[:2] == (1, 1)
    assert durations.counts[-1] == 1
    assert durations.total == pytest.approx(60.00021)


def test_samples_come_over_to_another_process_as_they_are() -> None:
    durations = Durations()
    durations.add(0.3)
    samples = [
        Sample(catalog.VERDICTS, 3, ("key", "OK")),
        Sample(catalog.FRESHNESS_AGE, math.inf),
        durations_sample(catalog.RPC_DURATION, durations, METHOD),
    ]

    assert decode(encode(samples)) == samples


def test_what_only_a_later_version_counts_is_left_out() -> None:
    assert decode(b'[["authsvc_of_tomorrow_total", 1, []]]') == []


@pytest.mark.parametrize("data", [b"", b"{", b"1", b"[1]", b'[["authsvc_ready", {}, []]]'])
def test_what_is_no_samples_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own or ours
        decode(data)


def test_a_page_has_the_samples_of_all_workers() -> None:
    counts = CallCounts()
    counts(a_call(seconds=0.0002))
    samples = {1: [Sample(catalog.READY, 0)], 0: [Sample(catalog.READY, 1), *counts.samples()]}

    body, content_type = page(samples, "")

    assert content_type.startswith("text/plain; version=0.0.4")
    values = lines(body)
    assert values["authsvc_ready worker=0"] == 1
    assert values["authsvc_ready worker=1"] == 0
    of_method = f"method={METHOD} worker=0"
    assert values[f"authsvc_rpc_requests_total code=OK {of_method}"] == 1
    assert values[f"authsvc_rpc_duration_seconds_bucket le=0.0001 {of_method}"] == 0
    assert values[f"authsvc_rpc_duration_seconds_bucket le=0.00025 {of_method}"] == 1
    assert values[f"authsvc_rpc_duration_seconds_bucket le=+Inf {of_method}"] == 1
    assert values[f"authsvc_rpc_duration_seconds_sum {of_method}"] == 0.0002


def test_a_page_comes_in_the_format_that_is_asked_for() -> None:
    body, content_type = page({0: [Sample(catalog.READY, 1)]}, "application/openmetrics-text")

    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_the_process_tells_its_memory_and_its_files() -> None:
    found = {sample.metric.name: sample.value for sample in process_samples()}

    assert set(found) == {metric.name for metric in catalog.PROCESS}


async def test_a_late_event_loop_shows() -> None:
    lags, ticks = Durations(), asyncio.Event()
    add = lags.add

    class Watched(Durations):
        def add(self, seconds: float) -> None:
            add(seconds)
            ticks.set()

    measuring = asyncio.create_task(measure_lag(Watched()))
    async with asyncio.timeout(30):
        await ticks.wait()
    measuring.cancel()

    assert sum(lags.counts) == 1


def ready() -> Iterator[Sample]:
    yield Sample(catalog.READY, 1)


@asynccontextmanager
async def answering(directory: Path, number: int, workers: int = 2) -> AsyncIterator[Workers]:
    worker = Workers(Place(number, workers, directory=directory), ready)
    async with worker.answering():
        yield worker


def up(samples: dict[int, list[Sample]]) -> dict[int, object]:
    """Return what is said of each worker, which comes first."""
    assert all(of_worker[0].metric is catalog.WORKER_UP for of_worker in samples.values())
    return {number: of_worker[0].value for number, of_worker in samples.items()}


async def test_any_worker_tells_the_numbers_of_all(tmp_path: Path) -> None:
    async with answering(tmp_path, 0) as zero, answering(tmp_path, 1) as one:
        of_zero, of_one = await zero.samples(), await one.samples()

    assert up(of_zero) == up(of_one) == {0: 1, 1: 1}
    assert of_zero[1] == of_one[1] == [Sample(catalog.WORKER_UP, 1), Sample(catalog.READY, 1)]


async def test_a_worker_that_is_not_there_is_told_as_away(tmp_path: Path) -> None:
    async with answering(tmp_path, 0, workers=3) as zero, answering(tmp_path, 2, workers=3):
        samples = await zero.samples()

    assert up(samples) == {0: 1, 1: 0, 2: 1}
    assert samples[1] == [Sample(catalog.WORKER_UP, 0)]


async def test_the_log_says_when_a_worker_falls_silent_and_when_it_tells_again(
    tmp_path: Path,
) -> None:
    with capture_logs() as logs:
        async with answering(tmp_path, 0) as zero:
            await zero.samples()
            await zero.samples()
            async with answering(tmp_path, 1):
                await zero.samples()
                await zero.samples()
            await zero.samples()

    silent, again = "worker does not tell its numbers", "worker tells its numbers again"
    assert [entry["event"] for entry in logs] == [silent, again, silent]
    assert {entry["worker"] for entry in logs} == {1}


async def test_a_worker_that_hangs_holds_up_no_scrape(tmp_path: Path) -> None:
    scraped, ended = asyncio.Event(), asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await scraped.wait()
        writer.close()
        ended.set()

    hanging = await asyncio.start_unix_server(hang, tmp_path / "worker-1")
    async with answering(tmp_path, 0) as zero:
        async with asyncio.timeout(30):
            samples = await zero.samples()
            scraped.set()
            await ended.wait()
    hanging.close()
    await hanging.wait_closed()

    assert up(samples) == {0: 1, 1: 0}


async def test_a_worker_takes_the_place_of_one_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "worker-1").touch()

    async with answering(tmp_path, 0) as zero, answering(tmp_path, 1):
        samples = await zero.samples()

    assert up(samples) == {0: 1, 1: 1}


async def test_a_process_alone_is_worker_0() -> None:
    worker = Workers(ALONE, ready)
    async with worker.answering():
        samples = await worker.samples()

    assert up(samples) == {0: 1}
