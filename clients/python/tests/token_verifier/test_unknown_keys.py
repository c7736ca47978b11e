"""Keys that a token verifier does not have."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import logging
import time
from typing import Any

import grpc
import pytest

from clients.python.tests.token_verifier.verifying import (
    JWKS,
    KEY,
    SigningKey,
    Told,
    Verifying,
    jwks,
    until,
)


async def test_keys_that_cannot_be_had_mean_asking(
    make: Any, told: Told, answers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told.server.script(JWKS, answers.Failure(grpc.StatusCode.INTERNAL, "no keys today"))
    verifying = make()
    with caplog.at_level(logging.WARNING, "orchestrator.auth"):
        assert await verifying.check(SigningKey("jwk_1").token())
        await until(lambda: "no keys today" in caplog.text)
    assert len(verifying.asked()) == 1


async def test_an_unknown_key_is_fetched_at_most_once_in_a_while(
    live: Verifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = SigningKey("jwk_2")
    live.told.server.script(JWKS, jwks(new))
    # Ten seconds later, as far as the keys can tell.
    keys = live.verifier._keys  # noqa: SLF001
    monkeypatch.setattr(keys, "_monotonic", lambda: time.monotonic() + 11)
    fetched = len(live.asked(JWKS))

    assert await live.check(new.token())
    # A key that is in the set no more verifies no more.
    assert await live.reason(KEY.token()) == "TOKEN_INVALID"
    for kid in ("jwk_3", "jwk_4"):
        assert await live.reason(SigningKey(kid).token()) == "TOKEN_INVALID"

    assert len(live.asked(JWKS)) == fetched + 1
    assert live.asked() == []


async def test_an_unknown_key_that_cannot_be_fetched_is_asked_about(
    live: Verifying, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.told.server.script(JWKS, answers.Failure(grpc.StatusCode.INTERNAL))
    keys = live.verifier._keys  # noqa: SLF001
    monkeypatch.setattr(keys, "_monotonic", lambda: time.monotonic() + 11)

    assert await live.check(SigningKey("jwk_2").token())
    assert len(live.asked()) == 1
