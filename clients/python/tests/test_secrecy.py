"""Secrets do not show by accident."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import copy
import dataclasses
import doctest
import json
import logging
import pickle
import traceback
from typing import Any

import grpc
import pytest

from orchestrator.auth import AuthServiceError, CredentialDenied, Secret, _secret

# Put together here, so that no quoted line of source shows it in a traceback.
WORD = "unseen" * 2


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r:>30}".format, "%s".__mod__])
def test_a_secret_is_redacted_however_it_is_shown(show: Any) -> None:
    shown = show(Secret("hidden"))

    assert "hidden" not in shown
    assert "**********" in shown


def test_a_secret_is_revealed_when_asked() -> None:
    assert Secret("hidden").reveal() == "hidden"


def test_a_secret_is_redacted_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("example").warning("key %s %r", Secret("hidden"), {"k": Secret("hidden")})

    assert "hidden" not in caplog.text


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret("hidden"), protocol)


def test_a_secret_is_not_turned_into_json() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(Secret("hidden"))


def test_a_copied_secret_is_the_secret() -> None:
    secret = Secret("hidden")

    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret]) == [secret]


def test_secrets_are_equal_by_their_text() -> None:
    assert Secret("é\udc80") == Secret("é\udc80")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_a_secret_is_text() -> None:
    with pytest.raises(TypeError, match="not bytes"):
        Secret(b"hidden")  # type: ignore[arg-type]


def test_the_example_of_a_secret_holds() -> None:
    assert doctest.testmod(_secret).failed == 0
    assert doctest.testmod(_secret).attempted == 3


async def test_a_created_key_does_not_show_its_secret(client: Any, answers: Any) -> None:
    created = await client.create_key("ci")

    assert answers.EXAMPLE_KEY not in repr(created)
    assert answers.EXAMPLE_KEY not in repr(dataclasses.asdict(created))
    assert created.secret.reveal() == answers.EXAMPLE_KEY
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(created)


def test_a_client_shows_where_it_connects_and_no_key(client_class: Any) -> None:
    client = client_class("auth.internal:443", api_key="hidden")

    assert repr(client) == f"{client_class.__name__}('auth.internal:443')"
    assert "hidden" not in repr(vars(client))


async def test_no_error_shows_the_credential_or_the_key(
    connect: Any, server: Any, answers: Any
) -> None:
    server.script("ValidateCredential", answers.Failure(grpc.StatusCode.INTERNAL))
    client = connect(server.target, api_key=WORD, plaintext=True)

    with pytest.raises(AuthServiceError) as caught:
        await client.validate(f"Bearer {WORD}")

    assert WORD not in "".join(traceback.format_exception(caught.value))


async def test_no_denial_shows_the_credential(client: Any, server: Any, answers: Any) -> None:
    server.script("ValidateCredential", answers.refused())

    with pytest.raises(CredentialDenied) as caught:
        await client.validate(f"Bearer {WORD}")

    assert WORD not in "".join(traceback.format_exception(caught.value))
