"""Password hashes by Argon2id (RFC 9106), off the event loop and bounded.

A hash takes much time and memory on purpose. Threads of their own work them off, so that
validations go on meanwhile, and only so many may wait: beyond that callers are told so at once.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

from authsvc.domain.errors import TooManyLogins
from authsvc.domain.passwords import Password, Verified

T = TypeVar("T")

_NICENESS: Final = 10
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """What one hash costs."""

    time_cost: int
    """Passes over the memory; at least 1."""
    memory_kib: int
    """At least eight for each lane."""
    parallelism: int
    """Lanes, each of which is a thread while a hash is made; at least 1."""


class Argon2Hasher:
    """Makes hashes of passwords, and compares passwords with them."""

    def __init__(
        self,
        cost: Argon2Cost,
        *,
        threads: int,
        waiting: int,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Start no thread yet.

        Args:
            cost: What new hashes cost.
            threads: How many hashes may be under way at once; at least 1.
            waiting: How many more may wait for a thread.
            random_bytes: A cryptographic random source.
        """
        self._hasher = PasswordHasher(
            time_cost=cost.time_cost,
            memory_cost=cost.memory_kib,
            parallelism=cost.parallelism,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=Type.ID,
        )
        self._random_bytes = random_bytes
        # The hash of nobody's password: random where a hash would stand, at the cost of a new one.
        salt, digest = random_bytes(_SALT_BYTES), random_bytes(_HASH_BYTES)
        self._nobodys_hash = (
            f"$argon2id$v=19$m={cost.memory_kib},t={cost.time_cost},p={cost.parallelism}"
            f"${_encoded(salt)}${_encoded(digest)}"
        )
        self._threads = ThreadPoolExecutor(
            threads, thread_name_prefix="password", initializer=_yield_to_validations
        )
        self.capacity = threads + waiting
        """How many hashes may be under way or wait."""
        self._free = self.capacity

    async def hash(self, password: Password) -> str:
        """Return a hash that holds its own salt and cost, in the PHC string format.

        Raises:
            TooManyLogins: Too many passwords are being hashed or compared already.
        """
        salt = self._random_bytes(_SALT_BYTES)
        return await self._run(lambda: self._hasher.hash(password.encoded(), salt=salt))

    async def verify(self, hashed: str, password: Password) -> Verified:
        """Compare a password with a hash.

        Raises:
            TooManyLogins: Too many passwords are being hashed or compared already.
        """

        def compare() -> bool:
            try:
                return self._hasher.verify(hashed, password.encoded())
            except VerifyMismatchError:
                return False

        matches = await self._run(compare)
        return Verified(matches, self._hasher.check_needs_rehash(hashed))

    async def verify_dummy(self, password: Password) -> None:
        """Do the work of `verify` where there is no hash, so that its absence does not show.

        Raises:
            TooManyLogins: Too many passwords are being hashed or compared already.
        """
        await self.verify(self._nobodys_hash, password)

    @property
    def in_progress(self) -> int:
        """How many hashes are under way or wait."""
        return self.capacity - self._free

    def close(self) -> None:
        """End the threads; what waits is dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._free:
            raise TooManyLogins
        self._free -= 1
        loop = asyncio.get_running_loop()
        future = self._threads.submit(work)
        # When the work ends, and not when the caller gives up: a thread cannot be interrupted.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._end))
        return await asyncio.wrap_future(future)

    def _end(self) -> None:
        self._free += 1


def _yield_to_validations() -> None:
    """Let this thread, and those that it starts for its lanes, work where others leave time."""
    # Linux counts niceness by thread; elsewhere it would be that of the whole process.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")
