"""The load: h2load over loopback, and the reading of what it reports.

h2load sends all it can over a fixed number of connections with a fixed number of calls in flight
on each. It knows HTTP and not gRPC. Depends on the standard library.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.cases import AnswerSize, Case, Concurrency
from benchmarks.errors import BenchmarkFailed
from benchmarks.processes import cpu_seconds, output_of

N = TypeVar("N", int, float)

_GRACE_SECONDS: Final = 30.0
_HTTP_OK: Final = "200"
_RATE = re.compile(r"^finished in [^,]+, ([0-9.]+) req/s", re.MULTILINE)
_REQUESTS = re.compile(
    r"^requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, "
    r"(\d+) failed, (\d+) errored, (\d+) timeout",
    re.MULTILINE,
)
_STATUSES = re.compile(r"^status codes: (\d+) 2xx", re.MULTILINE)
_DATA_BYTES = re.compile(r"^traffic: .*\((\d+)\) data$", re.MULTILINE)


class H2loadMissing(BenchmarkFailed):
    """There is no h2load."""

    def __init__(self) -> None:
        """Say how to get it."""
        super().__init__(
            "h2load is not installed; it makes the load. On Debian and Ubuntu: "
            "apt-get install nghttp2-client; on macOS: brew install nghttp2"
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of one case came to."""

    rate: float
    """Requests answered per second."""
    credentials: float
    """Credentials judged per second."""
    p50: float
    """Milliseconds."""
    p99: float
    """Milliseconds."""
    cpu: float | None
    """Microseconds of processor time of the server's processes per request; None: not known."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What h2load prints at its end."""

    rate: float
    done: int
    data_bytes: int


class H2load:
    """Runs h2load."""

    def __init__(
        self, program: str, directory: Path, concurrency: Concurrency, spread: Concurrency
    ) -> None:
        """Take the program, a directory for its files, and how much is under way at once.

        Args:
            program: The path of h2load.
            directory: An existing one.
            concurrency: How much is under way at once.
            spread: The same for cases whose load comes over many connections.
        """
        self._program = program
        self._directory = directory
        self._concurrency = concurrency
        self._spread = spread
        # The load comes from one thread and asks for nothing that the environment could say.
        self._environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}

    @staticmethod
    def find() -> str:
        """Return the path of the program.

        Raises:
            H2loadMissing: There is none.
        """
        program = shutil.which("h2load")
        if program is None:
            raise H2loadMissing
        return program

    async def version(self) -> str:
        """Return what the program says of itself."""
        return (await output_of([self._program, "--version"], self._environment, 10.0)).strip()

    async def run(self, case: Case, size: AnswerSize, seconds: float) -> Sample:
        """Load a case's server for a while.

        Args:
            case: What is called.
            size: How large its right answers are.
            seconds: For how long; milliseconds count.

        Raises:
            BenchmarkFailed: Not every request was answered as it should be.
        """
        concurrency = self._spread if case.spread else self._concurrency
        body, log = self._directory / f"{case.letter}.body", self._directory / "requests.log"
        body.write_bytes(case.body)
        log.unlink(missing_ok=True)
        before = cpu_seconds(case.server.pid)
        printed = await output_of(
            self._command(case, body, log, seconds, concurrency),
            self._environment,
            seconds + _GRACE_SECONDS,
        )
        after = cpu_seconds(case.server.pid)
        summary = read_summary(printed)
        check_answers(summary, size, concurrency.in_flight)
        latencies = read_latencies(log.read_text(encoding="ascii").splitlines())
        return Sample(
            rate=summary.rate,
            credentials=summary.rate * case.credentials,
            p50=percentile(latencies, 50) / 1000,
            p99=percentile(latencies, 99) / 1000,
            cpu=(
                None
                if before is None or after is None
                else (after - before) / summary.done * 1_000_000
            ),
        )

    def _command(
        self, case: Case, body: Path, log: Path, seconds: float, concurrency: Concurrency
    ) -> list[str]:
        # h2load takes headers from its arguments only, where every user of the machine can read
        # them. The key there opens a service on this loopback that lives as long as this run.
        headers = (("content-type", "application/grpc"), ("te", "trailers"), *case.metadata)
        return [
            self._program,
            f"--clients={concurrency.connections}",
            f"--max-concurrent-streams={concurrency.streams}",
            f"--duration={round(seconds * 1000)}ms",
            f"--data={body}",
            f"--log-file={log}",
            *(f"--header={name}: {value}" for name, value in headers),
            case.url,
        ]


def read_summary(printed: str) -> Summary:
    """Read what h2load prints at its end.

    Raises:
        BenchmarkFailed: Requests went wrong, there were none, or the text is an unknown one.
    """
    rate, requests = _RATE.search(printed), _REQUESTS.search(printed)
    statuses, data = _STATUSES.search(printed), _DATA_BYTES.search(printed)
    if rate is None or requests is None or statuses is None or data is None:
        raise BenchmarkFailed(f"h2load printed what this benchmark cannot read:\n{printed}")
    done, succeeded, *bad = (int(number) for number in requests.groups())
    if any(bad) or succeeded != done or int(statuses[1]) != done:
        raise BenchmarkFailed(f"h2load counted bad answers:\n{requests[0]}\n{statuses[0]}")
    if done == 0:
        raise BenchmarkFailed("no request was answered; is the server gone, or the run too short?")
    return Summary(float(rate[1]), done, int(data[1]))


def check_answers(summary: Summary, size: AnswerSize, in_flight: int) -> None:
    """Check that the answers had the size of right ones.

    An error status of gRPC is HTTP 200 without a body, so this is what a crowd of them looks like.

    Args:
        summary: What h2load counted.
        size: How large right answers are.
        in_flight: How many may have been answered in part when the time was up.

    Raises:
        BenchmarkFailed: Their sum cannot be that of right answers.
    """
    least, most = summary.done * size.least, (summary.done + in_flight) * size.most
    if not least <= summary.data_bytes <= most:
        raise BenchmarkFailed(
            f"{summary.done} answers had {summary.data_bytes} bytes, not {least} to {most}: "
            "some were not the expected ones"
        )


def read_latencies(lines: Iterable[str]) -> list[int]:
    """Read a log of h2load: start time, HTTP status, duration, in microseconds, and maybe more.

    Returns:
        The durations in ascending order.

    Raises:
        BenchmarkFailed: There are none, or a request was not answered with 200.
    """
    latencies = []
    for line in lines:
        try:
            _, status, duration, *_ = line.split("\t")
            latency = int(duration)
        except ValueError:
            raise BenchmarkFailed(
                f"h2load logged what this benchmark cannot read: {line}"
            ) from None
        if status != _HTTP_OK:
            raise BenchmarkFailed(f"h2load logged a request with status {status}")
        latencies.append(latency)
    if not latencies:
        raise BenchmarkFailed("h2load logged no request")
    return sorted(latencies)


def percentile(ascending: Sequence[N], percent: float) -> N:
    """Return the nearest-rank percentile of values in ascending order, of which there are some."""
    return ascending[max(math.ceil(len(ascending) * percent / 100), 1) - 1]
