"""The log's lines of finished calls: what they say, and which are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import pytest
import structlog
from structlog.testing import capture_logs

from authsvc.domain.errors import DatabaseUnavailable, KeyNotFound
from authsvc.rpc.call_log import LINES_PER_SECOND, SAMPLED_METHODS, CallLog
from authsvc.rpc.observation import FinishedCall
from orchestrator.auth.v1.auth_service_pb2 import DESCRIPTOR

SERVICE = DESCRIPTOR.services_by_name["AuthService"]
GOOD = FinishedCall(
    "orchestrator.auth.v1.AuthService/GetKey",
    grpc.StatusCode.OK,
    "",
    0.0012345,
    "request-1",
    "key_1",
    "192.0.2.1",
)
VALIDATION = GOOD._replace(method="orchestrator.auth.v1.AuthService/ValidateCredential")


class Timers:
    """Calls that are due when a test says so."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, _seconds: float, function: Callable[[], None]) -> None:
        self.due.append(function)

    def run(self) -> None:
        due, self.due = self.due, []
        for function in due:
            function()


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def _logged(
    *calls: FinishedCall,
    sample: float = 0.0,
    draws: Sequence[float] = (),
    timers: Timers | None = None,
) -> list[Any]:
    call_log = CallLog(
        sample=sample,
        random=iter(draws).__next__,
        call_later=(timers or Timers()).call_later,
    )
    with capture_logs() as lines:
        for call in calls:
            call_log(call)
        if timers:
            timers.run()
    return list(lines)


def _caused() -> DatabaseUnavailable:
    error = DatabaseUnavailable()
    error.__cause__ = ConnectionRefusedError("not there")
    return error


def test_a_good_call_has_a_line_with_who_and_how_long() -> None:
    (line,) = _logged(GOOD)

    assert {name: value for name, value in line.items() if value is not None} == {
        "event": "call answered",
        "log_level": "info",
        "method": GOOD.method,
        "code": "OK",
        "duration_ms": 1.234,
        "request_id": "request-1",
        "caller_id": "key_1",
        "address": "192.0.2.1",
    }


def test_a_failed_call_has_one_line_with_its_cause_at_the_level_of_the_error() -> None:
    (line,) = _logged(
        GOOD._replace(
            code=grpc.StatusCode.UNAVAILABLE, reason="DATABASE_UNAVAILABLE", error=_caused()
        )
    )

    assert (line["event"], line["log_level"]) == ("call failed", "warning")
    assert (line["reason"], line["error"]) == ("DATABASE_UNAVAILABLE", "DatabaseUnavailable")
    assert line["cause"] == "ConnectionRefusedError('not there')"


def test_a_fault_of_ours_has_its_traceback_and_its_words_nowhere_else() -> None:
    error = ZeroDivisionError("words")

    (line,) = _logged(GOOD._replace(code=grpc.StatusCode.INTERNAL, reason="INTERNAL", error=error))

    assert (line["log_level"], line["exc_info"]) == ("error", error)
    assert (line["detail"], line["cause"]) == (None, None)


@pytest.mark.parametrize(
    ("code", "level"),
    [(grpc.StatusCode.CANCELLED, "info"), (grpc.StatusCode.DEADLINE_EXCEEDED, "warning")],
)
def test_a_call_that_was_given_up_has_a_line(code: grpc.StatusCode, level: str) -> None:
    (line,) = _logged(GOOD._replace(code=code))

    assert (line["event"], line["log_level"]) == ("call given up", level)


def test_the_methods_that_are_sampled_exist() -> None:
    assert {f"{SERVICE.full_name}/{method.name}" for method in SERVICE.methods} >= SAMPLED_METHODS


@pytest.mark.parametrize(("draw", "lines"), [(0.0, 1), (0.009, 1), (0.01, 0), (0.999, 0)])
def test_a_share_of_the_good_validations_is_written(draw: float, lines: int) -> None:
    assert len(_logged(VALIDATION, sample=0.01, draws=[draw])) == lines


@pytest.mark.parametrize(("sample", "lines"), [(0.0, 0), (1.0, 3)])
def test_all_validations_are_written_or_none(sample: float, lines: int) -> None:
    assert len(_logged(*[VALIDATION] * 3, sample=sample, draws=[0.0, 0.5, 0.999])) == lines


def test_good_calls_of_known_callers_are_all_written() -> None:
    assert len(_logged(*[GOOD] * 100)) == 100


def test_a_denied_validation_is_written_whatever_the_sample() -> None:
    (line,) = _logged(VALIDATION._replace(reason="KEY_REVOKED"))

    assert (line["event"], line["reason"]) == ("credential denied", "KEY_REVOKED")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(VALIDATION._replace(reason="KEY_NOT_FOUND"), id="denied"),
        pytest.param(
            GOOD._replace(
                code=grpc.StatusCode.NOT_FOUND, reason="KEY_NOT_FOUND", error=KeyNotFound()
            ),
            id="failed",
        ),
        pytest.param(GOOD._replace(code=grpc.StatusCode.CANCELLED), id="given up"),
        pytest.param(GOOD._replace(caller_id=""), id="anonymous"),
    ],
)
def test_calls_that_end_alike_have_so_many_lines_a_second_and_then_their_count(
    call: FinishedCall,
) -> None:
    *lines, last = _logged(*[call] * (LINES_PER_SECOND + 7), timers=Timers())

    assert [line["event"] for line in lines] == [lines[0]["event"]] * LINES_PER_SECOND
    assert (last["event"], last["count"]) == ("calls left out of the log", 7)
    assert (last["method"], last["reason"]) == (call.method, call.reason or None)
    assert last["log_level"] == lines[0]["log_level"]


def test_when_none_was_left_out_there_is_no_count() -> None:
    denied = VALIDATION._replace(reason="KEY_NOT_FOUND")

    assert len(_logged(*[denied] * LINES_PER_SECOND, timers=Timers())) == LINES_PER_SECOND


def test_other_endings_have_lines_of_their_own() -> None:
    flood = [VALIDATION._replace(reason="KEY_NOT_FOUND")] * (LINES_PER_SECOND + 1)

    lines = _logged(*flood, VALIDATION._replace(reason="KEY_REVOKED"))

    assert lines[-1]["reason"] == "KEY_REVOKED"


def test_after_a_second_lines_are_written_again() -> None:
    timers = Timers()
    call_log = CallLog(sample=0, random=lambda: 0.5, call_later=timers.call_later)
    denied = VALIDATION._replace(reason="KEY_NOT_FOUND")
    with capture_logs() as lines:
        for _ in range(LINES_PER_SECOND + 1):
            call_log(denied)
        timers.run()
        call_log(denied)

    assert [line["event"] for line in lines[-2:]] == [
        "calls left out of the log",
        "credential denied",
    ]


def test_at_the_end_the_count_of_the_running_second_is_written() -> None:
    call_log = CallLog(sample=0, random=lambda: 0.5, call_later=Timers().call_later)
    with capture_logs() as lines:
        for _ in range(LINES_PER_SECOND + 3):
            call_log(VALIDATION._replace(reason="KEY_NOT_FOUND"))
        call_log.finish()

    assert lines[-1]["count"] == 3
