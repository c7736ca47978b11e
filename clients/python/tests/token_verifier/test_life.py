"""How token verifiers begin and end, their settings, and many callers at once."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import grpc
import pytest

from clients.python.tests.token_verifier.verifying import (
    AUDIENCE,
    ISSUER,
    KEY,
    SOON,
    WATCH,
    Told,
    Verifying,
    until,
)
from orchestrator.auth import (
    AsyncTokenVerifier,
    AuthClient,
    ConfigurationError,
    TokenVerifier,
    _verifier_parts,
)


async def test_a_watch_that_is_refused_is_begun_anew(
    make: Any,
    told: Told,
    answers: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(_verifier_parts, "_LONGEST_PAUSE", 0.01)
    stream = told.server.steps[WATCH][0]
    told.server.script(
        WATCH, [answers.Failure(grpc.StatusCode.PERMISSION_DENIED, "not you")], stream
    )
    verifying = make()

    with caplog.at_level(logging.WARNING, "orchestrator.auth"):
        await verifying.check(None)
        await verifying.hears()

    assert "not you" in caplog.text
    assert len(verifying.asked(WATCH)) == 2


async def test_a_closed_verifier_says_so(live: Verifying) -> None:
    [call] = [call for call in live.told.server.calls if call.method == WATCH]

    await live.run("close")
    await live.run("close")

    assert await asyncio.to_thread(call.ended.wait, SOON)
    assert not [t for t in threading.enumerate() if t.name.startswith("token-verifier")]
    with pytest.raises(ConfigurationError, match="closed"):
        await live.check(None)


async def test_a_block_begins_and_ends_it(connect: Any, told: Told) -> None:
    client = connect(told.server.target, api_key="k", plaintext=True).client
    if isinstance(client, AuthClient):
        with TokenVerifier(client, issuer=ISSUER, audience=AUDIENCE) as verifier:
            await until(lambda: [c for c in told.server.calls if c.method == WATCH])
        with pytest.raises(ConfigurationError):
            verifier.check(None)
    else:
        async with AsyncTokenVerifier(client, issuer=ISSUER, audience=AUDIENCE) as verifying:
            await until(lambda: [c for c in told.server.calls if c.method == WATCH])
        with pytest.raises(ConfigurationError):
            await verifying.check(None)


async def test_a_closed_client_is_not_taken_for_a_verdict(
    live: Verifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_verifier_parts, "_LONGEST_PAUSE", 0.01)
    client = live.verifier._client  # noqa: SLF001
    if isinstance(client, AuthClient):
        client.close()
    else:
        await client.close()

    with pytest.raises(ConfigurationError, match="client is closed"):
        await live.check(KEY.token(age=60))


async def test_many_at_once_agree(live: Verifying) -> None:
    old, new = KEY.token(age=60), KEY.token()
    if isinstance(live.verifier, TokenVerifier):
        check = live.verifier.check
        with ThreadPoolExecutor(8) as pool:
            verdicts = list(pool.map(check, [old, new] * 50))
    else:
        verdicts = await asyncio.gather(*(live.check(token) for token in [old, new] * 50))

    assert all(verdicts)
    assert {request.credential for request in live.asked()} == {old}


@pytest.mark.parametrize(
    "settings",
    [
        {"issuer": ""},
        {"audience": ""},
        {"leeway": timedelta(seconds=-1)},
        {"leeway": timedelta(minutes=6)},
        {"max_staleness": timedelta(0)},
        {"max_key_age": timedelta(0)},
        {"remembered": 0},
    ],
)
def test_settings_have_bounds(make: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        make(**settings)


def test_a_missing_library_is_named(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "orchestrator.auth._public_keys", raising=False)
    monkeypatch.delattr("orchestrator.auth._public_keys", raising=False)
    monkeypatch.setitem(sys.modules, "jwt", None)

    with pytest.raises(ConfigurationError, match=r"orchestrator-auth\[verifier\]"):
        make()


async def test_it_shows_no_secret(live: Verifying) -> None:
    token = KEY.token()
    await live.check(token)
    judge = live.verifier._judge  # noqa: SLF001

    assert token not in repr(live.verifier) + repr(vars(judge))
    assert repr(live.verifier).startswith(type(live.verifier).__name__)
