"""Both token verifiers before a real server."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from clients.python.tests.token_verifier.verifying import (
    AUDIENCE,
    ISSUER,
    JWKS,
    KEY,
    VALIDATE,
    Told,
    Verifying,
    good,
    jwks,
    until,
)
from orchestrator.auth import (
    AsyncAuthClient,
    AsyncTokenVerifier,
    TokenVerifier,
)


@pytest.fixture
def told(server: Any, answers: Any) -> Iterator[Told]:
    server.script(JWKS, jwks(KEY))
    server.script(VALIDATE, good())
    told = Told(server, answers)
    yield told
    told.end()


@pytest.fixture
async def make(connect: Any, told: Told) -> AsyncIterator[Any]:
    made: list[Verifying] = []

    def verifier(**settings: Any) -> Verifying:
        client = connect(told.server.target, api_key="k", plaintext=True).client
        kind = AsyncTokenVerifier if isinstance(client, AsyncAuthClient) else TokenVerifier
        arguments = {"issuer": ISSUER, "audience": AUDIENCE, "leeway": timedelta(0)}
        made.append(Verifying(kind(client, **{**arguments, **settings}), told))
        return made[-1]

    yield verifier
    for one in made:
        await one.run("close")


@pytest.fixture
async def live(make: Any) -> Verifying:
    """Give a verifier that has its keys and follows the watch."""
    verifying: Verifying = make()
    # The first call begins; the keys are there when an unknown one is known to be unknown.
    await verifying.check(None)
    await until(lambda: verifying.asked(JWKS))
    await until(lambda: verifying.verifier._keys._kept is not None)  # noqa: SLF001
    await verifying.hears()
    return verifying
