"""What `authsvc dev` prints to try works as it is printed."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.e2e.support import Dev, Ended, environment


def block(server: Dev, first_words: str) -> str:
    """Return the printed paragraph that begins with these words."""
    found = [part for part in server.output().split("\n\n") if part.startswith(first_words)]
    assert len(found) == 1, server.output()
    return found[0]


def paste(server: Dev, lines: str, stdin: str = "") -> Ended:
    """Run lines as they were printed, in another terminal in the same directory."""
    done = subprocess.run(
        ["bash", "-eu", "-c", lines],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(),
        cwd=server.cwd,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def assert_life_of_a_key(done: Ended) -> None:
    assert done.code == 0, done.err
    assert "orchestrator.auth.v1.AuthService" in done.out
    steps = ['"secret"', '"principal"', "KEY_STATE_REVOKED", "DENIAL_REASON_KEY_REVOKED"]
    places = [done.out.find(step) for step in steps]
    assert -1 not in places, done.out
    assert places == sorted(places)


@pytest.mark.skipif(shutil.which("grpcurl") is None, reason="grpcurl is not installed")
def test_the_grpcurl_lines_take_a_key_from_principal_to_revoked(shared_dev: Dev) -> None:
    lines = block(shared_dev, "AUTH="), block(shared_dev, "grpcurl ")

    assert_life_of_a_key(paste(shared_dev, "\n".join(lines)))


def test_the_buf_lines_take_a_key_from_principal_to_revoked(shared_dev: Dev) -> None:
    buf = re.search(r"^\S*buf (?=curl)", shared_dev.output(), re.MULTILINE)
    assert buf, shared_dev.output()
    lines = block(shared_dev, "AUTH="), block(shared_dev, buf[0])

    assert_life_of_a_key(paste(shared_dev, "\n".join(lines)))


def test_the_lines_of_the_command_line_take_a_key_from_good_to_denied(shared_dev: Dev) -> None:
    paragraph = re.search(r"^\S*authsvc key create (.+\n)+", shared_dev.output(), re.MULTILINE)
    assert paragraph, shared_dev.output()
    create, validate, revoke = paragraph[0].splitlines()

    created = paste(shared_dev, create)
    secret = re.search(r"orch_[0-9a-f]{40}", created.out)
    assert secret, created.err
    credential = f"{secret[0]}\n"

    good = paste(shared_dev, validate, credential)
    revoked = paste(shared_dev, revoke, credential)
    denied = paste(shared_dev, validate, credential)
    assert [good.code, revoked.code, denied.code] == [0, 0, 3]
    assert good.out.startswith("Good.")
    assert revoked.out.startswith("Key revoked.")
    assert "KEY_REVOKED" in denied.out


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_line_shows_the_public_keys(shared_dev: Dev) -> None:
    line = re.search(r"curl http://\S+", shared_dev.output())
    assert line, shared_dev.output()

    done = paste(shared_dev, f"{line[0]} --silent --fail")

    assert '"kty":"EC"' in done.out, done.err


def test_the_psql_line_opens_the_database(shared_dev: Dev) -> None:
    line = shared_dev.output().rpartition("The database itself: ")[2].strip()

    done = paste(shared_dev, f"{line} -Atc 'SELECT count(*) > 0 FROM authsvc.keys'")

    assert done.out == "t\n", done.err


def test_the_guide_prints_no_secret(shared_dev: Dev) -> None:
    assert shared_dev.admin_key not in shared_dev.output()
