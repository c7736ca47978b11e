"""Password hashes: what they hold, what they take, and how many there may be."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator

import pytest
from argon2 import Type, extract_parameters

from authsvc.domain.errors import TooManyLogins
from authsvc.domain.passwords import Password, Verified
from authsvc.passwords.argon2_hasher import Argon2Cost, Argon2Hasher

CHEAP = Argon2Cost(time_cost=1, memory_kib=8192, parallelism=1)
PASSWORD = Password("correct horse battery")


@pytest.fixture
def hasher() -> Iterator[Argon2Hasher]:
    made = a_hasher()
    yield made
    made.close()


def a_hasher(cost: Argon2Cost = CHEAP, *, threads: int = 1, waiting: int = 10) -> Argon2Hasher:
    return Argon2Hasher(cost, threads=threads, waiting=waiting, random_bytes=os.urandom)


async def test_a_hash_is_argon2id_at_the_configured_cost(hasher: Argon2Hasher) -> None:
    hashed = await hasher.hash(PASSWORD)

    parameters = extract_parameters(hashed)
    assert parameters.type is Type.ID
    assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (1, 8192, 1)
    assert "horse" not in hashed


async def test_a_password_matches_its_hash_and_no_other(hasher: Argon2Hasher) -> None:
    hashed = await hasher.hash(PASSWORD)

    assert await hasher.verify(hashed, PASSWORD) == Verified(matches=True, needs_rehash=False)
    other = await hasher.verify(hashed, Password("correct horse batterz"))
    assert other == Verified(matches=False, needs_rehash=False)


async def test_two_hashes_of_one_password_differ(hasher: Argon2Hasher) -> None:
    assert await hasher.hash(PASSWORD) != await hasher.hash(PASSWORD)


async def test_a_hash_of_another_cost_matches_and_is_to_be_made_anew(
    hasher: Argon2Hasher,
) -> None:
    hashed = await hasher.hash(PASSWORD)
    dearer = a_hasher(Argon2Cost(time_cost=2, memory_kib=8192, parallelism=1))

    assert await dearer.verify(hashed, PASSWORD) == Verified(matches=True, needs_rehash=True)

    dearer.close()


async def test_the_hash_of_nobody_takes_the_work_of_a_new_one(hasher: Argon2Hasher) -> None:
    nobodys, real = hasher._nobodys_hash, await hasher.hash(PASSWORD)  # noqa: SLF001 - its cost is its point

    assert extract_parameters(nobodys) == extract_parameters(real)
    assert [len(part) for part in nobodys.split("$")] == [len(part) for part in real.split("$")]
    assert not (await hasher.verify(nobodys, PASSWORD)).matches
    await hasher.verify_dummy(PASSWORD)


async def test_beyond_what_may_wait_callers_are_told_at_once() -> None:
    hasher = a_hasher(threads=1, waiting=1)

    results = await asyncio.gather(
        *(hasher.hash(PASSWORD) for _ in range(5)), return_exceptions=True
    )

    assert [type(result) for result in results].count(TooManyLogins) == 3
    # And there is room again.
    assert re.match(r"\$argon2id\$", await hasher.hash(PASSWORD))
    hasher.close()


async def test_who_gives_up_frees_the_place_when_the_work_has_ended() -> None:
    hasher = a_hasher(threads=1, waiting=0)
    given_up = asyncio.create_task(hasher.hash(PASSWORD))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(TooManyLogins):
        await hasher.hash(PASSWORD)

    hasher.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert hasher._free == 1  # noqa: SLF001 - nothing else tells


async def test_the_event_loop_goes_on_meanwhile(hasher: Argon2Hasher) -> None:
    hashing = asyncio.create_task(hasher.hash(PASSWORD))
    turns = 0

    while not hashing.done():
        turns += 1
        await asyncio.sleep(0)

    assert turns > 1
    assert await hashing
