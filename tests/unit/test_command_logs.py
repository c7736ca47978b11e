"""Commands on the database itself log to standard error: standard output is their answer."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager

import pytest
import structlog
from typer.testing import CliRunner

from authsvc import app
from authsvc.cli import commands, token
from authsvc.config import Settings
from authsvc.domain.errors import DatabaseUnavailable

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def _own_configuration() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def log_and_fail(settings: Settings) -> AbstractAsyncContextManager[app.Parts]:
    key = settings.encryption_key.get_secret_value()
    structlog.get_logger().warning("something is wrong", cause=f"key={key}")
    raise DatabaseUnavailable


@pytest.mark.parametrize(
    "command", ["bootstrap", "maintenance", "token mint", "keyring list", "keyring reencrypt"]
)
def test_what_a_command_logs_is_no_part_of_its_answer_and_shows_no_key(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("AUTHSVC_DATABASE_URL", "postgresql://db.example/authsvc")
    monkeypatch.setenv("AUTHSVC_ENCRYPTION_KEY", KEY)
    for module in (app, token):
        monkeypatch.setattr(module, "open_parts", log_and_fail)

    ended = CliRunner().invoke(commands.app, command.split())

    assert isinstance(ended.exception, DatabaseUnavailable)
    assert ended.stdout == ""
    assert "something is wrong" in ended.stderr
    assert "key=[redacted]" in ended.stderr
