"""What is taken out of texts that are logged, and what that may cost."""

from __future__ import annotations

import json
import logging
import time

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from authsvc.config_values import LogFormat, LogLevel
from authsvc.logs import configure_logs
from authsvc.redaction import exporter_secrets, redaction

# Whatever an attacker could repeat in a line to have it looked at again and again.
FRAGMENTS = [
    *("eyJ", "eyJaaaaaaaa", "eyJaaaaaaaa.", "orch_", "orchrt_a1a1a1a1", "$argon2", "$argon2id$"),
    *("a://b:", "://", "://:", "://:@", "@", "authorization", "authorization  ", "authorization'"),
    *("authorization',", "authorization=", "authorization: bearer ", "authorization, value"),
    *("authorization='", "authorization='\\", "bearer ", "api-key", "api-key=", "value='"),
    *("password", "password=", "password='", "password=\\", "password: ", "&", "\\", "'", '"'),
    *("\\'", '\\"', " ", "a", "b'", "\n", ".", ":", "=", ","),
]
BEGINNINGS = [
    *("authorization", "authorization:", "authorization='", "authorization: bearer", "api-key"),
    *("password=", "password='", "eyJ", "eyJaaaaaaaa", "://a:", "://", "$argon2id$", "orch_"),
]


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (
            "_Metadatum(key='authorization', value='Bearer hunter2')",
            "_Metadatum(key='authorization', value='Bearer [redacted]')",
        ),
        (
            "_Metadatum(key='authorization', value='Basic aHVudGVyMg==')",
            "_Metadatum(key='authorization', value='Basic [redacted]')",
        ),
        (
            "_Metadatum(key='authorization', value=b'orch_1a2b3c')",
            "_Metadatum(key='authorization', value=b'[redacted]')",
        ),
        (
            r"{\"key\": \"authorization\", \"value\": \"Bearer hunter2 \\u00e9\"}",
            r"{\"key\": \"authorization\", \"value\": \"Bearer [redacted]\"}",
        ),
        (
            'key: "authorization" value: "Bearer a1"',
            'key: "authorization" value: "Bearer [redacted]"',
        ),
        ('["authorization", "Basic a"]', '["authorization", "Basic [redacted]"]'),
        ('{"a": "authorization", "b": "c"}', '{"a": "authorization", "b": "c"}'),
        ('{"a": "authorization=", "b": "c"}', '{"a": "authorization=", "b": "c"}'),
        ("Authorization:  Bearer  hunter2, said", "Authorization:  Bearer  [redacted], said"),
        (
            r"\r\nAuthorization: Basic a1\r\nHost: x",
            r"\r\nAuthorization: Basic [redacted]\r\nHost: x",
        ),
        ("('x-api-key', 'hunter2')", "('x-api-key', '[redacted]')"),
        ("api-key=hunter2,x=1", "api-key=[redacted],x=1"),
        ("AUTHSVC_API_KEY: is empty", "AUTHSVC_API_KEY: is empty"),
        ("authorization='' reason=none", "authorization='' reason=none"),
    ],
)
def test_what_a_header_brings_is_redacted_however_it_is_written(text: str, redacted: str) -> None:
    assert redaction()(text) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("postgresql://db/a?password=hunter2", "postgresql://db/a?password=[redacted]"),
        (
            "postgresql://db/a?x=1&password=h,u)n'2&y=1",
            "postgresql://db/a?x=1&password=[redacted]&y=1",
        ),
        ("postgresql://db/a?sslpassword=hunter2", "postgresql://db/a?sslpassword=[redacted]"),
        ("host=db password=hunter2 user=a", "host=db password=[redacted] user=a"),
        ("{'password': 'hunter2', 'user': 'a'}", "{'password': '[redacted]', 'user': 'a'}"),
        ("password: is required", "password: is required"),
        (f"postgresql://a:{'b' * 5000}@db/a", "postgresql://a:[redacted]@db/a"),
        (f"postgresql://{'a' * 500}:hunter2@db/a", f"postgresql://{'a' * 500}:[redacted]@db/a"),
        ("postgresql://a:hun/t\"e'r@2@db/a", "postgresql://a:[redacted]@db/a"),
        ("http://h:80/p?password=hunter2", "http://h:80/p?password=[redacted]"),
        (f"http://h:80/orch_{'a1' * 20}", "http://h:80/[redacted]"),
    ],
)
def test_passwords_are_redacted_wherever_urls_and_drivers_have_them(
    text: str, redacted: str
) -> None:
    assert redaction()(text) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("row (a, $argon2id$v=19$m=65536,t=3,p=4$c2Fs$aGFz/+0)", "row (a, [redacted])"),
        ("$argon2id$v=19$m=65536...", "[redacted]..."),
        (f"orch_{'a1' * 19}", "[redacted]"),
        (f"ORCH_{'A1' * 20}0", "[redacted]"),
        (f"orchrt_{'a1' * 31}", "[redacted]"),
        ("eyJhbGciOiJub25lIn0", "[redacted]"),
        (r"said:\neyJhbGciOiJub25lIn0.eyJ.c2ln", r"said:\n[redacted]"),
        ("orch_1a2b…c3d4", "orch_1a2b…c3d4"),
    ],
)
def test_hashes_and_what_was_cut_short_are_redacted(text: str, redacted: str) -> None:
    assert redaction()(text) == redacted


@given(st.lists(st.sampled_from([*FRAGMENTS, *BEGINNINGS]), max_size=12).map("".join))
def test_a_redacted_line_of_json_is_still_one(text: str) -> None:
    line = json.dumps({"event": text, "more": [text, {text: text}], "last": "@"})

    assert json.loads(redaction()(line))["last"] == "@"


def test_a_secret_is_redacted_as_json_writes_it() -> None:
    secret = 'né"w\\secret'

    assert secret not in json.loads(redaction([secret])(json.dumps([secret])))[0]


@pytest.mark.parametrize("repeated", FRAGMENTS)
def test_the_time_that_it_takes_grows_with_the_text_and_no_faster(repeated: str) -> None:
    redacted = redaction(["a literal secret"])

    def seconds(text: str) -> float:
        # Of this thread alone, so that it is no matter what else the machine does.
        began = time.thread_time()
        redacted(text)
        return time.thread_time() - began

    def grows_too_fast(beginning: str) -> bool:
        short, long = (beginning + repeated * (size // len(repeated)) for size in (3000, 48_000))
        # Sixteen times the text: sixteen times the steps, or 256 times if it went back.
        return seconds(long) > 64 * seconds(short)

    # A measurement may be disturbed; steps that are too many are so each time.
    slow = [each for each in ("", *BEGINNINGS) if all(grows_too_fast(each) for _ in range(5))]
    assert not slow


def test_the_headers_of_the_exporter_are_secrets_whatever_their_names() -> None:
    secrets = exporter_secrets(
        {
            "OTEL_EXPORTER_OTLP_HEADERS": "x-team=hunter2%2Bhunter2, x-scope=1",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "authorization=Basic%20dTpwdTpw,a: hunter2hunter2",
        }
    )

    assert set(secrets) >= {"hunter2%2Bhunter2", "hunter2+hunter2", "dTpwdTpw", "hunter2hunter2"}
    assert "1" not in secrets


def test_what_opentelemetry_cannot_read_of_its_headers_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team: hunter2hunter2")
    monkeypatch.setattr(logging.root, "handlers", [])
    configure_logs(LogLevel.INFO, LogFormat.JSON)
    try:
        logging.getLogger("opentelemetry").warning("invalid: %s", "x-team: hunter2hunter2")
    finally:
        structlog.reset_defaults()

    logged = capsys.readouterr().err
    assert ("hunter2" in logged, "x-team: [redacted]" in logged) == (False, True)
