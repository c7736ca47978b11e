"""A real gRPC server on loopback that answers as a test tells it, and both clients before it."""
# A fixture's parameter may be of any class.
# ruff: noqa: ANN401

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from clients.python.tests.answers import Answers, like_everything
from clients.python.tests.drivers import Connect, Driver
from clients.python.tests.examples import EXAMPLE_KEY
from clients.python.tests.scripted_server import ScriptedServer, Servers, StartServer
from orchestrator.auth import AsyncAuthClient, AuthClient, _watch


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    servers = Servers()
    yield servers.start
    servers.stop()


@pytest.fixture
def server(start_server: StartServer) -> ScriptedServer:
    """Give a server that likes everything, until a test scripts it otherwise."""
    script = start_server()
    like_everything(script)
    return script


@pytest.fixture(params=[AuthClient, AsyncAuthClient], ids=["sync", "async"])
def client_class(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def connect(client_class: Any) -> AsyncIterator[Connect]:
    drivers: list[Driver] = []

    def make(target: str | None = None, **settings: Any) -> Driver:
        drivers.append(Driver(client_class(target, **settings)))
        return drivers[-1]

    yield make
    for driver in drivers:
        await driver.close()


@pytest.fixture
def client(connect: Connect, server: ScriptedServer) -> Driver:
    return connect(server.target, api_key=EXAMPLE_KEY, plaintext=True)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTHSVC_ADDRESS", raising=False)
    monkeypatch.delenv("AUTHSVC_API_KEY", raising=False)


@pytest.fixture
def answers() -> type[Answers]:
    return Answers


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watch, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(_watch, "_LONGEST_PAUSE", 0.05)


@pytest.fixture
def unavailable(answers: Any) -> Any:
    return answers.Failure(grpc.StatusCode.UNAVAILABLE)
