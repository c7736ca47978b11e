"""Log lines: their two looks, and no secret in either."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from authsvc.config_values import LogFormat, LogLevel
from authsvc.logs import configure_logs
from authsvc.redaction import redaction
from tests.unit.examples import FAKE_KEY

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl"
FORMATS = [LogFormat.CONSOLE, LogFormat.JSON]
SECRETS = [
    pytest.param(FAKE_KEY, id="key"),
    pytest.param("orch_" + "A" * 40, id="upper-case key"),
    pytest.param("orchrt_" + "a1" * 32, id="refresh token"),
    pytest.param(JWT, id="token"),
    pytest.param(JWT.rpartition(".")[0] + ".", id="unsigned token"),
]


@pytest.fixture(autouse=True)
def _own_configuration() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def _raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def _log(log_format: LogFormat, event: str, **fields: object) -> None:
    configure_logs(LogLevel.INFO, log_format)
    structlog.get_logger().info(event, **fields)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda s: s, id="alone"),
        pytest.param(lambda s: f"Bearer {s},", id="in a text"),
        pytest.param(lambda s: [s], id="in a list"),
        pytest.param(lambda s: {"a": {"b": s}}, id="deep"),
        pytest.param(ValueError, id="in an exception"),
        pytest.param(lambda s: s.encode(), id="in bytes"),
    ],
)
def test_a_secret_in_a_field_is_redacted(
    capsys: pytest.CaptureFixture[str], secret: str, log_format: LogFormat, wrap: object
) -> None:
    assert callable(wrap)
    _log(log_format, "event", field=wrap(secret))

    assert secret not in capsys.readouterr().err


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("log_format", FORMATS)
def test_a_secret_in_the_event_is_redacted(
    capsys: pytest.CaptureFixture[str], secret: str, log_format: LogFormat
) -> None:
    _log(log_format, f"look: {secret}")

    assert "[redacted]" in capsys.readouterr().err


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("log_format", FORMATS)
def test_a_secret_in_a_traceback_is_redacted(
    capsys: pytest.CaptureFixture[str], secret: str, log_format: LogFormat
) -> None:
    _log(log_format, "failed", exc_info=_raised(ValueError(secret)))

    assert "ValueError: [redacted]" in capsys.readouterr().err


def test_a_json_line_stays_json_when_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    _log(LogFormat.JSON, "event", field=f'"{FAKE_KEY}"')

    assert json.loads(capsys.readouterr().err)["field"] == '"[redacted]"'


def test_a_hint_is_not_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    _log(LogFormat.JSON, "event", hint="orch_1a2b", key_id="key_00000000000000000000000001")

    assert "[redacted]" not in capsys.readouterr().err


def test_a_json_line_has_event_level_time_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    _log(LogFormat.JSON, "serving", address="127.0.0.1:1")
    line = json.loads(capsys.readouterr().err)
    line.pop("timestamp")

    assert line == {"event": "serving", "level": "info", "address": "127.0.0.1:1"}


def test_a_json_time_is_utc(capsys: pytest.CaptureFixture[str]) -> None:
    _log(LogFormat.JSON, "serving")

    assert json.loads(capsys.readouterr().err)["timestamp"].endswith("Z")


def test_a_field_without_a_value_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    _log(LogFormat.JSON, "event", cause=None)

    assert "cause" not in json.loads(capsys.readouterr().err)


def test_a_console_line_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    _log(LogFormat.CONSOLE, "serving", address="127.0.0.1:1")

    assert "serving" in capsys.readouterr().err.partition("address=127.0.0.1:1")[0]


def test_away_from_a_terminal_auto_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    _log(LogFormat.AUTO, "serving")

    assert json.loads(capsys.readouterr().err)["event"] == "serving"


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.ERROR, LogFormat.JSON)
    structlog.get_logger().warning("event")

    assert capsys.readouterr().err == ""


def test_nothing_is_logged_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    _log(LogFormat.JSON, "event")

    assert capsys.readouterr().out == ""


LIBRARY = """
import logging, sys
from authsvc.config_values import LogFormat, LogLevel
from authsvc.logs import configure_logs
configure_logs(LogLevel.INFO, LogFormat.JSON)
try:
    raise ValueError(sys.argv[1])
except ValueError:
    logging.getLogger("library").exception("said %s", sys.argv[1])
"""


@pytest.mark.parametrize("secret", [FAKE_KEY, JWT])
def test_what_libraries_log_is_redacted_too(secret: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LIBRARY, secret], capture_output=True, text=True, check=True
    )

    assert (secret in ran.stderr, ran.stderr.count("[redacted]")) == (False, 2)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("postgresql://user:hunter2@db:5432/auth", "postgresql://user:[redacted]@db:5432/auth"),
        ("postgresql+asyncpg://u:hunter2@db/a", "postgresql+asyncpg://u:[redacted]@db/a"),
        ("redis://:hunter2@cache", "redis://:[redacted]@cache"),
        ("Authorization: Bearer hunter2", "Authorization: Bearer [redacted]"),
        ("('authorization', 'Basic hunter2')", "('authorization', 'Basic [redacted]')"),
        ("authorization=hunter2", "authorization=[redacted]"),
        ("http://127.0.0.1:8080/livez", "http://127.0.0.1:8080/livez"),
        ("Missing Authorization header", "Missing Authorization header"),
    ],
)
def test_passwords_in_urls_and_authorization_headers_are_redacted(text: str, redacted: str) -> None:
    assert redaction()(text) == redacted


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_secret_without_a_form_of_its_own_is_redacted(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    key = "+/" * 21 + "A="
    configure_logs(LogLevel.INFO, log_format, secrets=[key])
    structlog.get_logger().info("event", field=[f"key={key}"])

    logged = capsys.readouterr().err
    assert (key in logged, "key=[redacted]" in logged) == (False, True)


def test_every_line_of_a_worker_has_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.INFO, LogFormat.JSON, worker="1")
    structlog.get_logger().info("event")

    assert json.loads(capsys.readouterr().err)["worker"] == 1


def test_a_line_begins_with_what_all_lines_have(capsys: pytest.CaptureFixture[str]) -> None:
    _log(LogFormat.JSON, "event", field=1)

    assert list(json.loads(capsys.readouterr().err)) == ["timestamp", "level", "event", "field"]


FOREIGN = """
import logging, sys, threading, warnings
from authsvc.config_values import LogFormat, LogLevel
from authsvc.logs import configure_logs, log_crashes
configure_logs(LogLevel.INFO, LogFormat.JSON, worker="3")
log_crashes()
logging.getLogger("asyncpg").info("unheard")
logging.getLogger("grpc").warning("said %s", "so")
logging.getLogger("grpc._cython.cygrpc").error("Invalid encoding on %s", b"Bearer \\xff")
warnings.warn("warned")
def fail(): raise KeyError("in a thread")
class Broken:
    def __del__(self): raise KeyError("while it ended")
thread = threading.Thread(target=fail, name="aside")
thread.start()
thread.join()
Broken()
try:
    fail()
except KeyError:
    logging.getLogger("uvicorn.error").exception("caught")
raise ValueError("at last")
"""


def test_what_libraries_and_python_itself_have_to_say_is_json_too() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FOREIGN], capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in ran.stderr.splitlines()]

    assert ran.returncode == 1
    assert [
        (line["level"], line.get("logger"), line["event"].split("\n")[0]) for line in lines
    ] == [
        ("warning", "grpc", "said so"),
        ("warning", "py.warnings", "<string>:10: UserWarning: warned"),
        ("error", None, "thread crashed"),
        ("error", None, "error ignored"),
        ("error", "uvicorn.error", "caught"),
        ("critical", None, "crashed"),
    ]
    assert {line["worker"] for line in lines} == {3}
    assert ["Traceback" in line.get("exception", "") for line in lines] == [False] * 2 + [True] * 4
