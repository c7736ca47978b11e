"""The cache of the README does what it says."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth import AuthClient
from orchestrator.auth.v1 import auth_service_pb2 as pb

README = Path(__file__).parents[1] / "README.md"
HOME, AWAY = "192.0.2.7", "203.0.113.9"


def cache_class() -> Any:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    [source] = [block for block in blocks if "class Cache" in block]
    names: dict[str, Any] = {}
    exec(source[: source.index("\nwith AuthClient")], names)
    return names["Cache"]


class Told:
    """Tells a cache what a test wants, and waits until it has been heard."""

    def __init__(self, server: Any, answers: Any) -> None:
        self._feed = answers.Feed()
        server.script("WatchRevocations", self._feed)

    def tell(self, revision: int, **event: Any) -> None:
        self._feed.put(pb.WatchRevocationsResponse(revision=revision, **event))

    def beat(self, revision: int, age: timedelta = timedelta()) -> None:
        as_of = Timestamp()
        as_of.FromDatetime(datetime.now(UTC) - age)
        self.tell(revision, heartbeat=pb.Heartbeat(as_of=as_of))

    def end(self) -> None:
        self._feed.end()


@pytest.fixture
def told(server: Any, answers: Any) -> Iterator[Told]:
    told = Told(server, answers)
    yield told
    told.end()


@pytest.fixture
def cache(server: Any, told: Told) -> Iterator[Any]:
    with AuthClient(server.target, api_key="k", plaintext=True) as client:
        cache = cache_class()(client)
        follower = threading.Thread(target=cache.follow)
        follower.start()
        told.beat(1)
        # The first revision comes with a reset, before its heartbeat.
        until(lambda: cache._as_of > datetime.now(UTC) - timedelta(minutes=1))  # noqa: SLF001
        yield cache
    follower.join(5)
    assert not follower.is_alive()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def questions(server: Any) -> list[Any]:
    return [call.request for call in server.calls if call.method == "ValidateCredential"]


def heard(cache: Any, revision: int) -> None:
    until(lambda: cache._revision == revision)  # noqa: SLF001 - an example has no test hooks


def test_it_asks_once_while_heartbeats_come(cache: Any, server: Any) -> None:
    principals = [cache.validate("Bearer x", HOME) for _ in range(3)]

    assert {principal.account_id for principal in principals} == {"acct_1"}
    assert [question.freshness.at_least_revision for question in questions(server)] == [1]


@pytest.mark.parametrize(
    "event",
    [
        {"key_revoked": pb.KeyRevoked(key_id="key_1", account_id="acct_1")},
        {"key_changed": pb.KeyChanged(key_id="key_1", account_id="acct_1")},
        {"account_changed": pb.AccountChanged(account_id="acct_1")},
        {"reset": pb.Reset()},
        {},
    ],
    ids=lambda event: next(iter(event), "unknown"),
)
def test_it_drops_what_has_ended(cache: Any, server: Any, told: Told, event: Any) -> None:
    cache.validate("Bearer x", HOME)
    told.tell(2, **event)
    heard(cache, 2)

    cache.validate("Bearer x", HOME)

    assert [question.freshness.at_least_revision for question in questions(server)] == [1, 2]


@pytest.mark.parametrize(
    "event",
    [
        {"key_revoked": pb.KeyRevoked(key_id="key_2", account_id="acct_1")},
        {"account_changed": pb.AccountChanged(account_id="acct_2")},
    ],
    ids=lambda event: next(iter(event)),
)
def test_it_keeps_what_goes_on(cache: Any, server: Any, told: Told, event: Any) -> None:
    cache.validate("Bearer x", HOME)
    told.tell(2, **event)
    heard(cache, 2)

    cache.validate("Bearer x", HOME)

    assert len(questions(server)) == 1


def test_it_asks_anew_for_another_address(cache: Any, server: Any) -> None:
    for address in (HOME, AWAY, HOME):
        cache.validate("Bearer x", address)

    assert [question.context.client_ip for question in questions(server)] == [HOME, AWAY]


def test_it_asks_again_when_heartbeats_have_stayed_out(cache: Any, server: Any, told: Told) -> None:
    cache.validate("Bearer x", HOME)
    told.beat(2, age=timedelta(seconds=6))
    heard(cache, 2)

    cache.validate("Bearer x", HOME)

    assert len(questions(server)) == 2


def test_other_scopes_are_another_question(cache: Any, server: Any) -> None:
    cache.validate("Bearer x", HOME)
    cache.validate("Bearer x", HOME, frozenset({"a"}))

    assert [list(question.required_scopes) for question in questions(server)] == [[], ["a"]]


def test_an_answer_that_an_event_overtook_is_not_kept(
    cache: Any, server: Any, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = server._step  # noqa: SLF001 - between a question and its answer

    def overtaken(method: str) -> Any:
        if len(questions(server)) == 1:
            told.tell(2, key_revoked=pb.KeyRevoked(key_id="key_1", account_id="acct_1"))
            heard(cache, 2)
        return step(method)

    monkeypatch.setattr(server, "_step", overtaken)
    cache.validate("Bearer x", HOME)
    cache.validate("Bearer x", HOME)
    cache.validate("Bearer x", HOME)

    assert len(questions(server)) == 2
