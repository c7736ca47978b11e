"""The keyring: which keys verify access tokens, and which one signs them.

Verifiers keep a snapshot in memory for at most `max_age`, so that a key that was taken out of the
keyring stops being good within that time. The change log tells when the keyring has changed: from
then on the snapshot answers nobody, not even while the database is away, and is read anew. A token
that names an unknown key makes them look again by itself, before it is denied: the key may be so
new that the log has not told of it. But not more than once a second, as such tokens cost nothing to
forge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from authsvc.domain.changes import Change, ChangeKind, Watermark
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import AuthsvcError, DatabaseUnavailable
from authsvc.domain.freshness import Freshness, FreshnessSource
from authsvc.domain.json_web_keys import JsonWebKey
from authsvc.domain.repeated_work import RepeatedWork
from authsvc.domain.signing_keys import (
    SealedSigningKey,
    SigningAlgorithm,
    find_signer,
)
from authsvc.tokens.json_web_keys import json_web_key
from authsvc.tokens.keyring_memory import KeyringMemory, Snapshot
from authsvc.tokens.readable_keys import ReadableKeys
from authsvc.tokens.stored_keys import SigningKey, StoredKeys, VerificationKey


class SigningKeyStore(Protocol):
    """Where signing keys are kept."""

    async def list_signing_keys(self, deadline: Deadline) -> list[SealedSigningKey]:
        """Return all signing keys."""
        ...


class SigningKeyMissing(AuthsvcError):
    """The keyring has no key of the configured algorithm."""

    def __init__(self, algorithm: SigningAlgorithm) -> None:
        """Carry the algorithm."""
        super().__init__(
            f"the keyring has no {algorithm} key to sign with: run `authsvc bootstrap`, which "
            "makes one"
        )


class Keyring:
    """The signing keys of this service."""

    def __init__(
        self,
        *,
        store: SigningKeyStore,
        stored_keys: StoredKeys,
        algorithm: SigningAlgorithm,
        leeway: timedelta,
        max_age: timedelta,
        outage_max_age: timedelta | None = None,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        """Take the store, and what opens the keys in it.

        Args:
            store: Where the keys are kept.
            stored_keys: Opens them.
            algorithm: What new tokens are signed with.
            leeway: How far the clocks of issuer and verifier may disagree.
            max_age: How old the snapshot may be that tokens are verified with.
            outage_max_age: How old it may be while the database is away; None: no older.
            clock: Says which keys are retired, which one signs, and how old the snapshot is.
            monotonic: Seconds from a clock that never goes back, for the snapshot's age.
        """
        self._store = store
        self._stored_keys = stored_keys
        self._algorithm = algorithm
        self._max_age = max_age.total_seconds()
        self._memory = KeyringMemory(
            max_age=max_age, outage_max_age=outage_max_age, monotonic=monotonic
        )
        self.find_verification_key_now = self._memory.find_key
        """Returns a key and its age, if it is in a snapshot that is fresh enough; else None."""
        self._readable_keys = ReadableKeys(stored_keys, leeway)
        self._database_away = False
        self._clock = clock
        self._monotonic = monotonic
        self._stored: Sequence[SealedSigningKey] = ()
        self._changed = asyncio.Event()
        self._signing: tuple[SealedSigningKey, SigningKey] | None = None
        self._reading = asyncio.Lock()

    async def check_seals(self, deadline: Deadline) -> None:
        """Open every private key once, so that a wrong encryption key is found at the start.

        Raises:
            SealBroken: One of them was sealed under an encryption key that is not configured.
        """
        for key in await self._store.list_signing_keys(deadline):
            self._stored_keys.check_seal(key)

    async def get_signing_key(self, deadline: Deadline) -> SigningKey:
        """Return the key that signs at this moment. Ask for each token: the next may be another.

        Raises:
            SigningKeyMissing: There is no key of the configured algorithm.
            SealBroken: It was sealed under an encryption key that is not configured.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        keys = await self._store.list_signing_keys(deadline)
        key = find_signer(keys, self._algorithm, self._clock())
        if key is None:
            raise SigningKeyMissing(self._algorithm)
        if self._signing is None or self._signing[0] != key:
            self._signing = key, self._stored_keys.open_signing_key(key)
        return self._signing[1]

    async def list_published(self, deadline: Deadline) -> list[JsonWebKey]:
        """Return the public keys of all that verify, in the order in which they begin to sign.

        Raises:
            DatabaseUnavailable: The keyring had to be read and could not be.
        """
        snapshot = self._memory.find(None, None)
        if snapshot is None:
            snapshot, _ = await self._read_or_stale(None, None, deadline)
        published = (json_web_key(kid, key) for kid, key in snapshot.keys.items())
        return [key for key in published if key is not None]

    async def refresh(self, deadline: Deadline) -> None:
        """Read the keyring anew, now that it has changed.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        await self._read(None, self._memory.reads, deadline)

    def signs_since(self) -> datetime | None:
        """Return when the key began to sign that signs now, by the last read; None without one."""
        key = find_signer(self._stored, self._algorithm, self._clock())
        return None if key is None else key.activate_time

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
        after = self._memory.reads if fresh else None
        snapshot = self._memory.find(kid, after)
        if snapshot is not None:
            return snapshot.keys.get(kid), snapshot.freshness
        snapshot, source = await self._read_or_stale(kid, after, deadline)
        return snapshot.keys.get(kid), Freshness(source, snapshot.freshness.as_of)

    async def _read_or_stale(
        self, kid: str | None, after: int | None, deadline: Deadline
    ) -> tuple[Snapshot, FreshnessSource]:
        """Read the keyring; where that fails, return what may answer while the database is away.

        Raises:
            DatabaseUnavailable: It could not be read, and nothing may answer.
        """
        stale = self._memory.find_stale(kid) if after is None else None
        if stale is not None and self._database_away and self._reading.locked():
            # One call at a time finds out whether the database is back.
            return stale, FreshnessSource.STALE
        try:
            return await self._read(kid, after, deadline), FreshnessSource.DATABASE
        except DatabaseUnavailable:
            # Looked for anew: meanwhile the keyring may have changed.
            stale = self._memory.find_stale(kid) if after is None else None
            if stale is None:
                raise
            return stale, FreshnessSource.STALE

    async def keep_fresh(self, new_deadline: Callable[[], Deadline]) -> None:
        """Read the keyring before it is too old, and whenever it has changed, until cancelled.

        So hardly a call has to wait for it. What fails here is told to those who ask, too.
        """
        reading = RepeatedWork("keyring not read")
        while True:
            self._changed.clear()
            await reading.attempt(self.refresh(new_deadline()))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._max_age / 2):
                    await self._changed.wait()

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Answer from no snapshot that was read before the keyring changed."""
        if any(change.kind is ChangeKind.KEYRING_CHANGED for change in changes):
            self.on_gap()

    def on_caught_up(self, watermark: Watermark) -> None:
        """Take no note: the snapshot has an age of its own."""

    def on_gap(self) -> None:
        """Answer from no snapshot that was read before: the keyring may have changed."""
        self._memory.forget()
        self._changed.set()

    async def _read(self, kid: str | None, after: int | None, deadline: Deadline) -> Snapshot:
        """Read the keyring, unless another call's read can answer by then."""
        try:
            async with asyncio.timeout(deadline.remaining()), self._reading:
                snapshot = self._memory.find(kid, after)
                if snapshot is None:
                    number = self._memory.begin_read()
                    as_of, read_at = self._clock(), self._monotonic()
                    stored = await self._store.list_signing_keys(deadline)
                    keys = self._readable_keys.read(stored, as_of)
                    self._stored = stored
                    freshness = Freshness(FreshnessSource.CACHE, as_of)
                    snapshot = Snapshot(keys, freshness, read_at, number)
                    self._memory.keep(snapshot, kid)
                    self._database_away = False
                return snapshot
        except TimeoutError as error:
            self._database_away = True
            raise DatabaseUnavailable from error
        except DatabaseUnavailable:
            self._database_away = True
            raise
