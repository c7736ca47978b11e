"""The rotation that needs nobody: each server looks now and then whether a key is due.

Nothing depends on a look that fails or comes late: a key signs until the next one does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from authsvc.domain.clock import Deadline
from authsvc.domain.origin import ActorKind, Origin
from authsvc.domain.repeated_work import RepeatedWork
from authsvc.usecases.signing_key_rotation import SigningKeyRotation

_INTERVAL_SECONDS: Final = 60.0
_PUBLISHES: Final = Origin(ActorKind.SERVICE, "schedule/PublishNextSigningKey")
_DELETES: Final = Origin(ActorKind.SERVICE, "schedule/DeleteRetiredSigningKeys")

log = structlog.get_logger()


class KeepRotating:
    """Publishes the next signing key when it is due, and deletes those long retired."""

    def __init__(self, *, rotation: SigningKeyRotation, jitter: Callable[[], float]) -> None:
        """Take what changes the keyring, and a source of random numbers from 0 to 1."""
        self._rotation = rotation
        self._jitter = jitter
        self._work = RepeatedWork("signing keys not looked after")

    async def run(self, new_deadline: Callable[[], Deadline]) -> None:
        """Look each minute or so, until cancelled."""
        while True:
            await self.look_once(new_deadline())
            # Spread, so that the replicas do not all come at the same moment.
            await asyncio.sleep(_INTERVAL_SECONDS * (0.5 + self._jitter()))

    async def look_once(self, deadline: Deadline) -> None:
        """Do what is due now. What fails is logged."""
        await self._work.attempt(self._look(deadline))

    async def _look(self, deadline: Deadline) -> None:
        added = await self._rotation.add_next_if_due(_PUBLISHES, deadline)
        if added is not None:
            activate_time = added.activate_time.isoformat()
            log.info("signing key published", kid=added.kid, activate_time=activate_time)
        for key in await self._rotation.delete_retired(_DELETES, deadline):
            log.info("retired signing key deleted", kid=key.kid)
