"""What listens to the end-to-end tests hears a secret wherever it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.auth import Secret
from tests.e2e.wiretap import Wiretap

KEY = "orch_" + "0" * 40
TOKEN = "orchrt_" + "0" * 64


@pytest.mark.parametrize("secret", [KEY, TOKEN, "correct horse battery staple"])
def test_it_hears_what_was_issued(secret: str, tmp_path: Path) -> None:
    wiretap, file = Wiretap(), tmp_path / "log"
    wiretap.issue(secret)
    wiretap.tell("errors", f"cannot take {secret}")
    wiretap.tell_file("logs", file)
    file.write_text(f'{{"event": "{secret}"}}')

    findings = wiretap.findings()

    assert [finding.split()[0] for finding in findings] == ["errors", "logs"]
    assert not any(secret in finding for finding in findings)


def test_it_hears_what_looks_like_a_secret_though_nobody_said_so() -> None:
    wiretap = Wiretap()
    wiretap.tell("logs", f"took {KEY}")

    assert len(wiretap.findings()) == 1


def test_it_overhears_what_the_client_hands_out() -> None:
    wiretap = Wiretap()
    with wiretap.overhearing():
        Secret(KEY)
    Secret(TOKEN)

    assert wiretap.secrets == {KEY}


def test_it_is_content_with_silence() -> None:
    wiretap = Wiretap()
    wiretap.issue_from(f"the key is {KEY}, keep it")
    wiretap.tell("logs", "a call was answered")

    assert (wiretap.secrets, wiretap.findings()) == ({KEY}, [])
