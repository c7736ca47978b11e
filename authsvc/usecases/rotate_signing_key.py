"""RotateSigningKey: the next key to sign with, in good time or at once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

import structlog

from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import DatabaseUnavailable, InvalidRequest, Violation
from authsvc.domain.scopes import ADMIN
from authsvc.domain.signing_keys import SealedSigningKey, SigningKeyLife
from authsvc.usecases.call import Call
from authsvc.usecases.signing_key_rotation import SigningKeyRotation

log = structlog.get_logger()


class RotationUrgency(Enum):
    """How soon the new key signs, and what becomes of the others."""

    SCHEDULED = auto()
    """The new key is published now and signs after the lead; the others end in their time."""
    COMPROMISED = auto()
    """The new key signs at once, and all others end at once."""


class PublishedKeys(Protocol):
    """What this process knows of the keyring."""

    async def refresh(self, deadline: Deadline) -> None:
        """Read the keyring anew, now that it has changed."""
        ...


@dataclass(frozen=True, slots=True)
class RotatedSigningKey:
    """A rotation's outcome."""

    life: SigningKeyLife
    """The new key, or the one that waited already. No other comes after it yet."""
    ended: tuple[SealedSigningKey, ...]
    """The keys that verify no longer, because they may be known to others."""
    as_of: datetime


class RotateSigningKey:
    """Rotates the signing key."""

    def __init__(
        self, *, rotation: SigningKeyRotation, published: PublishedKeys, clock: Clock
    ) -> None:
        """Take what changes the keyring, what this process knows of it, and the time."""
        self._rotation = rotation
        self._published = published
        self._clock = clock

    async def __call__(self, urgency: RotationUrgency | None, call: Call) -> RotatedSigningKey:
        """Rotate the signing key.

        Args:
            urgency: None: one that this version does not know.
            call: Whose caller needs `authsvc:admin`.

        Raises:
            CallerNotPermitted: The caller lacks the scope.
            InvalidRequest: The urgency is not known.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require(ADMIN)
        if urgency is None:
            violation = Violation("urgency", "is SCHEDULED or COMPROMISED")
            raise InvalidRequest((violation,))
        ended: tuple[SealedSigningKey, ...] = ()
        if urgency is RotationUrgency.COMPROMISED:
            key, ended = await self._rotation.replace_all(call.origin, call.deadline)
        else:
            key = await self._rotation.add_next(call.origin, call.deadline)
        log.warning(
            "signing key rotated",
            kid=key.kid,
            urgency=urgency.name,
            activate_time=key.activate_time.isoformat(),
            ended=[one.kid for one in ended] or None,
            caller=call.caller.principal.actor,
        )
        # The rotation is done; this process would learn of it in a few seconds anyway.
        with suppress(DatabaseUnavailable):
            await self._published.refresh(call.deadline)
        return RotatedSigningKey(SigningKeyLife(key, None, None), ended, self._clock())
