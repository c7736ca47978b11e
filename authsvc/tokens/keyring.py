"""The keyring: which keys verify access tokens, and which one signs them.

Verifiers keep a snapshot in memory for at most `max_age`, so that a key that was taken out of the
keyring stops being good within that time. A token that names an unknown key makes them look
again, but not more than once a second: such tokens cost nothing to forge.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from authsvc.domain import ids
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import AuthsvcError, DatabaseUnavailable
from authsvc.domain.freshness import Freshness, FreshnessSource
from authsvc.domain.origin import Origin
from authsvc.domain.signing_keys import SealedSigningKey, SigningAlgorithm
from authsvc.tokens.key_material import (
    PrivateKey,
    PublicKey,
    generate,
    load_private_key,
    load_public_key,
)
from authsvc.tokens.sealing import SealBroken, Sealer

log = structlog.get_logger()

_LOOK_AGAIN_AFTER: Final = timedelta(seconds=1)


class SigningKeyStore(Protocol):
    """Where signing keys are kept."""

    async def list_signing_keys(self, deadline: Deadline) -> list[SealedSigningKey]:
        """Return all signing keys, oldest first."""
        ...

    async def insert_first_signing_key(
        self, key: SealedSigningKey, origin: Origin, deadline: Deadline
    ) -> None:
        """Keep a signing key, unless there is one of its algorithm already."""
        ...


class SigningKeyMissing(AuthsvcError):
    """The keyring has no key of the configured algorithm."""

    def __init__(self, algorithm: SigningAlgorithm) -> None:
        """Carry the algorithm."""
        super().__init__(
            f"the keyring has no {algorithm} key to sign with: run `authsvc bootstrap`, which "
            "makes one"
        )


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key that verifies tokens, pinned to the one algorithm it may be used with."""

    algorithm: SigningAlgorithm
    key: PublicKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs tokens."""

    kid: str
    algorithm: SigningAlgorithm
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class _Snapshot:
    keys: Mapping[str, VerificationKey]
    freshness: Freshness
    """What those are told who are answered from memory."""
    read_at: float
    number: int
    """Which read it came of, counted from 1."""


class Keyring:
    """The signing keys of this service."""

    def __init__(
        self,
        *,
        store: SigningKeyStore,
        sealer: Sealer,
        algorithm: SigningAlgorithm,
        max_age: timedelta,
        outage_max_age: timedelta | None = None,
        clock: Clock,
        monotonic: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Take the store and the sealer.

        Args:
            store: Where the keys are kept.
            sealer: Opens their private parts.
            algorithm: What new tokens are signed with.
            max_age: How old the snapshot may be that tokens are verified with.
            outage_max_age: How old it may be while the database is away; None: no older.
            clock: Says how old it is to those who ask.
            monotonic: Seconds from a clock that never goes back, for the snapshot's age.
            random_bytes: A cryptographic source of randomness.
        """
        self._store = store
        self._sealer = sealer
        self._algorithm = algorithm
        self._max_age = max_age.total_seconds()
        self._outage_max_age = 0.0 if outage_max_age is None else outage_max_age.total_seconds()
        self._database_away = False
        self._clock = clock
        self._monotonic = monotonic
        self._random_bytes = random_bytes
        self._snapshot: _Snapshot | None = None
        self._reads = 0
        self._parsed: dict[str, tuple[SealedSigningKey, VerificationKey]] = {}
        self._reading = asyncio.Lock()

    async def ensure_signing_key(self, now: datetime, origin: Origin, deadline: Deadline) -> None:
        """Make a signing key of the configured algorithm when there is none yet."""
        if any(key.algorithm is self._algorithm for key in await self._all(deadline)):
            return
        kid = ids.new_id(ids.SIGNING_KEY)
        private_bytes, public_bytes = generate(self._algorithm, self._random_bytes)
        sealed = self._sealer.seal(private_bytes, _label(kid, self._algorithm, public_bytes))
        key = SealedSigningKey(kid, self._algorithm, public_bytes, sealed, now)
        await self._store.insert_first_signing_key(key, origin, deadline)

    async def check_seals(self, deadline: Deadline) -> None:
        """Open every private key once, so that a wrong encryption key is found at the start.

        Raises:
            SealBroken: One of them was sealed under another encryption key.
        """
        for key in await self._all(deadline):
            self._open(key)

    async def get_signing_key(self, deadline: Deadline) -> SigningKey:
        """Return the newest key of the configured algorithm.

        Raises:
            SigningKeyMissing: There is none.
        """
        candidates = [k for k in await self._all(deadline) if k.algorithm is self._algorithm]
        if not candidates:
            raise SigningKeyMissing(self._algorithm)
        newest = candidates[-1]
        private_key = load_private_key(newest.algorithm, self._open(newest))
        return SigningKey(newest.kid, newest.algorithm, private_key)

    def find_verification_key_now(self, kid: str) -> tuple[VerificationKey, Freshness] | None:
        """Return a key and its age, if it is in a snapshot that is fresh enough; else None."""
        snapshot = self._snapshot
        if snapshot is None or self._monotonic() - snapshot.read_at > self._max_age:
            return None
        key = snapshot.keys.get(kid)
        return None if key is None else (key, snapshot.freshness)

    async def find_verification_key(
        self, kid: str, *, fresh: bool, deadline: Deadline
    ) -> tuple[VerificationKey | None, Freshness]:
        """Look a key up by the name that a token gives it.

        Args:
            kid: The token's `kid`; nothing but a name to look up.
            fresh: Read the keyring anew.
            deadline: How long it may take.

        Returns:
            The key, or None; and how old the keyring was that it was looked up in.

        Raises:
            DatabaseUnavailable: The keyring had to be read and could not be.
        """
        # Reads are counted, since two moments of a coarse clock can be the same.
        after = self._reads if fresh else None
        snapshot = self._find_snapshot(kid, after)
        if snapshot is not None:
            return snapshot.keys.get(kid), snapshot.freshness
        stale = None if fresh else self._find_stale(kid)
        if stale is not None and self._database_away and self._reading.locked():
            # One call at a time finds out whether the database is back.
            return stale
        try:
            snapshot = await self._read(kid, after, deadline)
        except DatabaseUnavailable:
            if stale is None:
                raise
            return stale
        freshness = Freshness(FreshnessSource.DATABASE, snapshot.freshness.as_of)
        return snapshot.keys.get(kid), freshness

    def _find_snapshot(self, kid: str, after: int | None) -> _Snapshot | None:
        """Return the snapshot if it can answer.

        Args:
            kid: What is looked up.
            after: The number of a read: only a later one can answer. None: one that is young
                enough can.
        """
        snapshot = self._snapshot
        if snapshot is None:
            return None
        if after is not None:
            return snapshot if snapshot.number > after else None
        limit = self._max_age if kid in snapshot.keys else _LOOK_AGAIN_AFTER.total_seconds()
        return snapshot if self._monotonic() - snapshot.read_at <= limit else None

    def _find_stale(self, kid: str) -> tuple[VerificationKey, Freshness] | None:
        """Return a key of a snapshot that may answer while the database is away, or None.

        A key that is not in it may have come to exist, so that is no answer.
        """
        snapshot = self._snapshot
        if snapshot is None or self._monotonic() - snapshot.read_at > self._outage_max_age:
            return None
        key = snapshot.keys.get(kid)
        freshness = Freshness(FreshnessSource.STALE, snapshot.freshness.as_of)
        return None if key is None else (key, freshness)

    async def keep_fresh(self, new_deadline: Callable[[], Deadline]) -> None:
        """Read the keyring again and again before it is too old, until cancelled.

        So no call has to wait for it. What fails here is told to those who ask.
        """
        while True:
            with suppress(DatabaseUnavailable):
                await self._read("", self._reads, new_deadline())
            await asyncio.sleep(self._max_age / 2)

    async def _read(self, kid: str, after: int | None, deadline: Deadline) -> _Snapshot:
        """Read the keyring, unless another call's read can answer by then."""
        try:
            async with asyncio.timeout(deadline.remaining()), self._reading:
                snapshot = self._find_snapshot(kid, after)
                if snapshot is None:
                    self._reads = number = self._reads + 1
                    as_of, read_at = self._clock(), self._monotonic()
                    keys = self._readable(await self._all(deadline))
                    freshness = Freshness(FreshnessSource.CACHE, as_of)
                    snapshot = self._snapshot = _Snapshot(keys, freshness, read_at, number)
                    self._database_away = False
                return snapshot
        except TimeoutError as error:
            self._database_away = True
            raise DatabaseUnavailable from error
        except DatabaseUnavailable:
            self._database_away = True
            raise

    async def _all(self, deadline: Deadline) -> list[SealedSigningKey]:
        return await self._store.list_signing_keys(deadline)

    def _readable(self, keys: Sequence[SealedSigningKey]) -> dict[str, VerificationKey]:
        """Return the keys to verify with. One that cannot be read verifies nothing."""
        readable: dict[str, VerificationKey] = {}
        for key in keys:
            try:
                readable[key.kid] = self._verification_key(key)
            except (SealBroken, TypeError, ValueError) as error:
                log.error("signing key unreadable", kid=key.kid, cause=repr(error))  # noqa: TRY400
        return readable

    def _verification_key(self, key: SealedSigningKey) -> VerificationKey:
        """Return the key to verify with: the same object while the stored key is the same.

        The seal is opened for every key, since it vouches for the public part too: a key that
        was put into the database without the encryption key verifies nothing.
        """
        present = self._parsed.get(key.kid)
        if present is not None and present[0] == key:
            return present[1]
        secret = self._open(key)
        material = (
            secret if key.public_key is None else load_public_key(key.algorithm, key.public_key)
        )
        parsed = VerificationKey(key.algorithm, material)
        self._parsed[key.kid] = (key, parsed)
        return parsed

    def _open(self, key: SealedSigningKey) -> bytes:
        label = _label(key.kid, key.algorithm, key.public_key)
        return self._sealer.open(key.sealed_private_key, label)


def _label(kid: str, algorithm: SigningAlgorithm, public_key: bytes | None) -> str:
    """Return what a private key is sealed under: all that it must not be parted from."""
    fingerprint = hashlib.sha256(public_key or b"").hexdigest()
    return f"signing key {kid} ({algorithm}, public key {fingerprint})"
