"""`authsvc keyring rotate` asks before it ends everybody's tokens."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from typer.testing import CliRunner

from authsvc.cli import commands
from authsvc.cli.connection import Connection
from orchestrator.auth import (
    RotatedSigningKey,
    SigningKey,
    SigningKeyRotationUrgency,
    SigningKeyState,
)
from tests.unit.examples import NOW

KEY = SigningKey("jwk_1", "ES256", SigningKeyState.SIGNING, NOW, NOW, None)


class Client:
    """Rotates, and keeps how urgent it was said to be."""

    def __init__(self) -> None:
        self.asked: list[SigningKeyRotationUrgency] = []

    def rotate_signing_key(self, urgency: SigningKeyRotationUrgency) -> RotatedSigningKey:
        self.asked.append(urgency)
        return RotatedSigningKey(KEY, ())


@pytest.mark.parametrize(
    ("options", "answer", "rotates"),
    [
        ([], "", True),
        (["--compromised"], "n\n", False),
        (["--compromised"], "", False),
        (["--compromised"], "y\n", True),
        (["--compromised", "--yes"], "", True),
    ],
)
def test_a_rotation_after_a_compromise_is_confirmed(
    monkeypatch: pytest.MonkeyPatch, options: list[str], answer: str, *, rotates: bool
) -> None:
    client = Client()
    monkeypatch.setattr(Connection, "open_client", lambda *_, **__: nullcontext(client))

    ended = CliRunner().invoke(commands.app, ["keyring", "rotate", *options], input=answer)

    assert (ended.exit_code, bool(client.asked)) == ((0, True) if rotates else (1, False))
