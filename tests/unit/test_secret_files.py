"""Secrets that are mounted as files."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from authsvc.cli.connection import Connection
from authsvc.cli.failures import Failure
from authsvc.cli.local_database import load_local_settings
from authsvc.config import SECRETS, InvalidSettings, Settings, load_database_url, load_settings

URL = "postgresql://user:hunter2@db.example/authsvc"
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(32, 64))).decode()
STORE = "redis://:hunter2@store.example"
GOOD = dict(zip(SECRETS, (URL, KEY, OTHER_KEY, STORE), strict=True))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which every secret stands in a file."""
    for name in [name for name in os.environ if name.upper().startswith("AUTHSVC_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        (tmp_path / name).write_text(f"{value}\n")
        monkeypatch.setenv(f"AUTHSVC_{name.upper()}_FILE", str(tmp_path / name))
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_every_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    settings = load_settings()

    assert {name: getattr(settings, name).get_secret_value() for name in SECRETS} == GOOD
    assert load_database_url() == URL
    assert load_local_settings(tmp_path) == settings


def test_every_secret_is_one_that_may_stand_in_a_file() -> None:
    secrets = {
        name
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }

    assert secrets == set(SECRETS)
    assert not {f"{name}_file" for name in SECRETS} & set(Settings.model_fields)


def test_whatever_is_wrong_is_told_at_once_and_never_repeated(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("AUTHSVC_DATABASE_URL", URL)
    missing = tmp_path / "encryption_key"
    missing.unlink()
    (tmp_path / "encryption_key_previous").write_text("\n")
    (tmp_path / "rate_limit_store").write_bytes(b"\xff")
    environment.setenv("AUTHSVC_TOKEN_LEEWAY", "none")

    with pytest.raises(InvalidSettings) as caught:
        load_settings()

    told = caught.value.problems
    assert told[:4] == [
        "AUTHSVC_DATABASE_URL and AUTHSVC_DATABASE_URL_FILE: give one of them, not both",
        f"AUTHSVC_ENCRYPTION_KEY_FILE: {missing} cannot be read: No such file or directory",
        f"AUTHSVC_ENCRYPTION_KEY_PREVIOUS_FILE: {tmp_path}/encryption_key_previous is empty",
        f"AUTHSVC_RATE_LIMIT_STORE_FILE: '{tmp_path}/rate_limit_store' is no text file",
    ]
    assert [line.partition(":")[0] for line in told[4:]] == ["AUTHSVC_TOKEN_LEEWAY"]
    assert "hunter2" not in str(caught.value)
    with pytest.raises(InvalidSettings, match="not both"):
        load_database_url()


def test_what_a_command_sets_needs_no_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("AUTHSVC_DATABASE_URL_FILE", str(tmp_path / "missing"))

    assert load_settings(database_url=URL).database_url.get_secret_value() == URL


def test_a_value_in_a_file_is_checked_as_any_other(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "database_url").write_text("hunter2")
    assert environment

    with pytest.raises(InvalidSettings) as caught:
        load_settings()

    assert caught.value.problems == ["AUTHSVC_DATABASE_URL: must begin with postgresql://"]


def test_the_callers_key_may_stand_in_a_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connection = Connection("127.0.0.1:1", plaintext=True, api_key_file=None, ca_file=None)
    environment.setenv("AUTHSVC_API_KEY_FILE", str(tmp_path / "missing"))

    with pytest.raises(Failure, match=r"AUTHSVC_API_KEY_FILE: .*missing cannot be read"):
        connection.open_client()

    (tmp_path / "missing").write_text("orc_secret\n")
    connection.open_client().close()
