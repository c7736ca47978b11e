"""Who runs a command, as the audit log names them."""

from __future__ import annotations

import getpass

import pytest

from authsvc.cli.operator import operator_origin
from authsvc.domain.origin import ActorKind, Origin


def test_an_operator_is_known_by_login_and_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "deploy")

    assert operator_origin("authsvc bootstrap") == Origin(
        ActorKind.OPERATOR, "authsvc bootstrap", "deploy"
    )


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no such user")])
def test_an_operator_without_a_login_is_an_operator_all_the_same(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", fail)

    assert operator_origin("authsvc bootstrap").actor_id == ""
