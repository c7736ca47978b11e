"""The rotation of signing keys: the first key, the next one, and a new one for all others.

Every change is decided by what is in the keyring under its lock, so that replicas which find at
once that a key is due make one and not one each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.origin import Origin
from authsvc.domain.signing_keys import (
    KeyringChange,
    RotationSchedule,
    SealedSigningKey,
    SigningAlgorithm,
    find_waiting,
    lives_of,
)


class SigningKeys(Protocol):
    """Where signing keys are kept."""

    async def list_signing_keys(self, deadline: Deadline) -> list[SealedSigningKey]:
        """Return all signing keys."""
        ...

    async def change_signing_keys(
        self,
        decide: Callable[[Sequence[SealedSigningKey]], KeyringChange],
        origin: Origin,
        deadline: Deadline,
    ) -> KeyringChange:
        """Change the keyring by what is in it, one change after the other; return the change."""
        ...


class SigningKeyMaker(Protocol):
    """Makes signing keys."""

    async def make(
        self, algorithm: SigningAlgorithm, create_time: datetime, activate_time: datetime
    ) -> SealedSigningKey:
        """Make a new key."""
        ...


class SigningKeyRotation:
    """Changes which keys sign."""

    def __init__(
        self,
        *,
        keys: SigningKeys,
        maker: SigningKeyMaker,
        schedule: RotationSchedule,
        algorithm: SigningAlgorithm,
        leeway: timedelta,
        clock: Clock,
    ) -> None:
        """Take the keyring.

        Args:
            keys: Where it is kept.
            maker: Makes its keys.
            schedule: When the next key is made, and when it begins to sign.
            algorithm: What new tokens are signed with.
            leeway: How far the clocks of issuer and verifier may disagree.
            clock: The source of time.
        """
        self._keys = keys
        self._maker = maker
        self._schedule = schedule
        self._algorithm = algorithm
        self._leeway = leeway
        self._clock = clock

    async def ensure_key(self, origin: Origin, deadline: Deadline) -> None:
        """Make a key of the configured algorithm when there is none yet; it signs at once.

        Args:
            origin: What the audit log is told.
            deadline: How long it may take.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        if _has(await self._keys.list_signing_keys(deadline), self._algorithm):
            return
        made = await self._make()

        def decide(keys: Sequence[SealedSigningKey]) -> KeyringChange:
            return KeyringChange() if _has(keys, self._algorithm) else KeyringChange(made)

        await self._keys.change_signing_keys(decide, origin, deadline)

    async def add_next(self, origin: Origin, deadline: Deadline) -> SealedSigningKey:
        """Publish the next key, which signs after the lead.

        Args:
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            The next key; the one that waits already, when there is one.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        made = await self._make()

        def decide(keys: Sequence[SealedSigningKey]) -> KeyringChange:
            now = self._clock()
            if waiting := find_waiting(keys, self._algorithm, now):
                return KeyringChange(waiting=waiting)
            return _added(made, now, now + self._schedule.lead)

        change = await self._keys.change_signing_keys(decide, origin, deadline)
        return change.added or change.waiting or made

    async def replace_all(
        self, origin: Origin, deadline: Deadline
    ) -> tuple[SealedSigningKey, tuple[SealedSigningKey, ...]]:
        """Make a key that signs at once, and delete all others, whatever their algorithm.

        They are deleted and not marked: no version of the service may go on with a key that may
        be known to others, and its private part is of no more use to anybody.

        Args:
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            The new key, and the deleted ones.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        made = await self._make()

        def decide(keys: Sequence[SealedSigningKey]) -> KeyringChange:
            now = self._clock()
            return replace(_added(made, now, now), removed=tuple(keys))

        change = await self._keys.change_signing_keys(decide, origin, deadline)
        return change.added or made, change.removed

    async def add_next_if_due(self, origin: Origin, deadline: Deadline) -> SealedSigningKey | None:
        """Publish the next key when the present one has signed for long enough.

        Args:
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            The new key; None when none was due, or another replica was first.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        if self._next_activation(await self._keys.list_signing_keys(deadline)) is None:
            return None
        made = await self._make()

        def decide(keys: Sequence[SealedSigningKey]) -> KeyringChange:
            activate_time = self._next_activation(keys)
            if activate_time is None:
                return KeyringChange()
            return _added(made, self._clock(), activate_time)

        return (await self._keys.change_signing_keys(decide, origin, deadline)).added

    async def delete_retired(
        self, origin: Origin, deadline: Deadline
    ) -> tuple[SealedSigningKey, ...]:
        """Delete the keys that have been retired for long enough, and return them.

        Args:
            origin: What the audit log is told.
            deadline: How long it may take.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        def decide(keys: Sequence[SealedSigningKey]) -> KeyringChange:
            now = self._clock()
            lives = lives_of(keys, self._leeway)
            return KeyringChange(
                removed=tuple(life.key for life in lives if life.may_be_deleted(now))
            )

        if not decide(await self._keys.list_signing_keys(deadline)).removed:
            return ()
        return (await self._keys.change_signing_keys(decide, origin, deadline)).removed

    async def _make(self) -> SealedSigningKey:
        now = self._clock()
        return await self._maker.make(self._algorithm, now, now)

    def _next_activation(self, keys: Sequence[SealedSigningKey]) -> datetime | None:
        return self._schedule.next_activation(keys, self._algorithm, self._clock())


def _has(keys: Sequence[SealedSigningKey], algorithm: SigningAlgorithm) -> bool:
    return any(key.algorithm is algorithm for key in keys)


def _added(made: SealedSigningKey, now: datetime, activate_time: datetime) -> KeyringChange:
    # It was made before the lock was had: what others see of it begins now.
    return KeyringChange(replace(made, create_time=now, activate_time=activate_time))
