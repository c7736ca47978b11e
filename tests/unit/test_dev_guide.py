"""What `authsvc dev` prints to paste: it is shell, and it does what it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from authsvc.cli.dev_guide import guide
from tests.unit.examples import ACCOUNT_ID, FAKE_KEY

ADDRESS = "127.0.0.1:50051"
HTTP_ADDRESS = "127.0.0.1:50080"
PROGRAMS = Path("/opt/postgresql/bin")
DATA_DIRS = [Path(".authsvc"), Path("/tmp/a dir/it's"), Path("/tmp/$HOME/`id`")]
SHELLS = [shell for shell in ("bash", "sh", "dash", "zsh") if shutil.which(shell)]


def _lines(data_dir: Path = Path(".authsvc"), address: str = ADDRESS) -> list[str]:
    return guide(
        address, data_dir, ACCOUNT_ID, programs=PROGRAMS, http_address=HTTP_ADDRESS
    ).splitlines()


def _commands(data_dir: Path = Path(".authsvc"), address: str = ADDRESS) -> list[str]:
    """Return the lines to paste: what is left without prose and empty lines."""
    commands = []
    for line in _lines(data_dir, address):
        text = line.removeprefix("The database itself: ")
        text = text.removeprefix("The public keys of access tokens: ")
        if text and not re.fullmatch(r"[A-Za-z].* .*[.:]", text):
            commands.append(text)
    return commands


def _run(shell: str, script: str) -> str:
    ran = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=True)
    return ran.stdout


def _starting(prefix: str) -> str:
    return next(line for line in _commands() if line.startswith(prefix))


def test_without_http_there_is_nothing_of_it_to_try() -> None:
    text = guide(ADDRESS, Path(".authsvc"), ACCOUNT_ID, programs=PROGRAMS)

    assert "curl http://" not in text


def test_without_a_psql_of_ones_own_it_is_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)

    assert f"{PROGRAMS}/psql " in _starting(f"{PROGRAMS}")


def test_there_are_commands_for_every_way() -> None:
    text = "\n".join(_commands())

    assert [
        word for word in ("grpcurl", "buf", "authsvc", "curl http", "psql") if word not in text
    ] == []


@pytest.mark.parametrize("data_dir", DATA_DIRS, ids=str)
@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_is_well_formed_shell(shell: str, data_dir: Path) -> None:
    for command in _commands(data_dir):
        subprocess.run([shell, "-n", "-c", command], check=True)


def test_no_command_has_a_placeholder() -> None:
    text = "\n".join(_commands())

    assert re.findall(r"<[^>]*>|\.\.\.|…|\bYOUR|\bTODO|\bxxx", text) == []


def test_every_command_to_a_server_names_the_address() -> None:
    callers = [line for line in _commands() if re.search(r"grpcurl|buf |authsvc key", line)]

    assert [line for line in callers if ADDRESS not in line] == []


def test_no_command_holds_a_secret() -> None:
    assert "orch_0" not in "\n".join(_lines())


@pytest.mark.parametrize("shell", SHELLS)
def test_the_callers_header_is_read_from_the_key_file(shell: str, tmp_path: Path) -> None:
    data_dir = tmp_path / "it's a dir"
    data_dir.mkdir()
    (data_dir / "admin.key").write_text(f"{FAKE_KEY}\n", encoding="utf-8")
    line = next(line for line in _commands(data_dir) if line.startswith("AUTH="))

    assert _run(shell, f'{line}; echo "$AUTH"') == f"authorization: Bearer {FAKE_KEY}\n"


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("shell", SHELLS)
def test_the_secret_is_found_in_the_answer(shell: str, indent: int | None) -> None:
    answer = json.dumps({"key": {"hint": "orch_0000…0001"}, "secret": FAKE_KEY}, indent=indent)
    script = f"CREATED='{answer}'; {_starting('KEY=')}; echo \"$KEY\""

    assert _run(shell, script) == f"{FAKE_KEY}\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_request_is_json_with_the_credential(shell: str) -> None:
    echo = _starting('echo "{\\"credential').partition(" | ")[0]

    assert json.loads(_run(shell, f"KEY={FAKE_KEY}; {echo}")) == {
        "credential": f"Bearer {FAKE_KEY}"
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_the_first_key_is_asked_for_in_json(shell: str) -> None:
    echo = _starting("CREATED=").removeprefix("CREATED=$(").partition(" | ")[0]

    assert json.loads(_run(shell, echo)) == {"account_id": ACCOUNT_ID, "name": "first key"}
