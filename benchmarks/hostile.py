"""Attacks: what hostile or broken clients do to a server, each by name.

Run as a program (`python -m benchmarks.hostile`), it reads an order of JSON from standard input and
writes what the server did to standard output: in a process of its own, it does not slow down
whoever watches, and has descriptors of its own. Depends on the modules of what it sends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from benchmarks.hostile_bytes import (
    CLOSED_SOON,
    FLOODS,
    SLOW_CALL,
    SLOW_REQUEST,
    Payload,
    http_garbage,
)
from benchmarks.hostile_calls import (
    abandoned_streams,
    bombs,
    broken_messages,
    giant_metadata,
    half_sent,
    unknown_paths,
    unread_answers,
)
from benchmarks.hostile_connections import Attacker, Victim, counted
from benchmarks.http2 import PREFACE

Act = Callable[[Attacker, int, Random], Awaitable[Counter[str]]]

_SAY_SECONDS: Final = 1.0
_FLOOD_SECONDS: Final = 5.0
_EVERYTHING: Final = 100_000


@dataclass(frozen=True, slots=True)
class Attack:
    """One thing to do to a server."""

    amount: int
    """How many, at full size."""
    unit: str
    act: Act


@dataclass(frozen=True, slots=True)
class Order:
    """What a process of its own is to do."""

    attack: str
    amount: int
    seed: int
    victim: dict[str, Any] = field(repr=False)
    """The fields of a `Victim`."""


def _saying(payload: Payload, seconds: float, *, at_once: int = 100, http: bool = False) -> Act:
    async def act(attacker: Attacker, amount: int, random: Random) -> Counter[str]:
        address = attacker.victim.http_address if http else attacker.victim.address
        return await counted(
            [attacker.say(payload(random), seconds, address=address) for _ in range(amount)],
            at_once,
        )

    return act


async def _idle(attacker: Attacker, amount: int, _: Random) -> Counter[str]:
    return await counted([attacker.greet() for _ in range(amount)], _EVERYTHING)


async def _silent(attacker: Attacker, amount: int, _: Random) -> Counter[str]:
    return await counted([attacker.say_nothing() for _ in range(amount)], _EVERYTHING)


async def _slow_calls(attacker: Attacker, amount: int, _: Random) -> Counter[str]:
    whole, at_once = SLOW_CALL
    return await counted(
        [attacker.trickle(whole, at_once=at_once) for _ in range(amount)], _EVERYTHING
    )


async def _slow_greetings(attacker: Attacker, amount: int, _: Random) -> Counter[str]:
    return await counted([attacker.trickle(PREFACE) for _ in range(amount)], _EVERYTHING)


async def _slow_requests(attacker: Attacker, amount: int, _: Random) -> Counter[str]:
    address = attacker.victim.http_address
    return await counted(
        [attacker.trickle(SLOW_REQUEST, address=address) for _ in range(amount)], _EVERYTHING
    )


ATTACKS: Final[Mapping[str, Attack]] = {
    **{
        name: Attack(500, "connections", _saying(payload, _SAY_SECONDS))
        for name, payload in CLOSED_SOON.items()
    },
    **{
        name: Attack(10, "connections", _saying(payload, _FLOOD_SECONDS, at_once=5))
        for name, payload in FLOODS.items()
    },
    "connections that say nothing": Attack(1_000, "connections", _silent),
    "the greeting of HTTP/2 byte by byte": Attack(500, "connections", _slow_greetings),
    "headers byte by byte": Attack(500, "connections", _slow_calls),
    "idle connections": Attack(10_000, "connections", _idle),
    "giant or odd metadata": Attack(700, "calls", giant_metadata),
    "messages that are none, to every method": Attack(10_000, "calls", broken_messages),
    "methods that there are not": Attack(10_000, "calls", unknown_paths),
    "60 MiB packed into 60 KiB": Attack(200, "calls", bombs),
    "abandoned streams": Attack(2_000, "streams", abandoned_streams),
    "answers that are never read": Attack(2, "connections", unread_answers),
    "the largest messages but for a byte": Attack(1, "connections", half_sent),
    "HTTP port: garbage": Attack(500, "connections", _saying(http_garbage, 1.0, http=True)),
    "HTTP port: a request byte by byte": Attack(500, "connections", _slow_requests),
}


async def _run(order: Order) -> Counter[str]:
    attacker = Attacker(Victim(**order.victim))
    random = Random(f"{order.attack} {order.seed}")  # noqa: S311 - to be repeated
    return await ATTACKS[order.attack].act(attacker, order.amount, random)


def _main() -> None:
    print(json.dumps(asyncio.run(_run(Order(**json.load(sys.stdin))))))


if __name__ == "__main__":
    _main()
