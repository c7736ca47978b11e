"""What verdicts have to be: a client's own knowledge of keys and of their revocations.

It knows for every key what it has asked the service to do and what was acknowledged, and judges
each answer by what was known before its call was sent and after it came back. Depends on the
generated messages.
"""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from benchmarks.errors import WrongAnswer
from orchestrator.auth.v1.auth_service_pb2 import ValidateCredentialResponse
from orchestrator.auth.v1.denial_pb2 import DENIAL_REASON_KEY_NOT_FOUND, DENIAL_REASON_KEY_REVOKED
from orchestrator.auth.v1.freshness_pb2 import FreshnessRequirement

_KEPT_REVOKED: Final = 1000


@dataclass(slots=True)
class KnownKey:
    """A key as this client knows it."""

    key_id: str
    secret: str = field(repr=False)
    revoking: bool = False
    """Whether a revocation was ever asked for."""
    revision: int = 0
    """The revision of its acknowledged revocation; 0: there is none."""
    revoke_time: float = 0.0
    """When that acknowledgement came."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question under way: what was known when it was sent."""

    key: KnownKey | None
    """None for a key that never existed."""
    was_revoked: bool
    demand: FreshnessRequirement | None


class Model:
    """Knows which keys are good, and judges answers."""

    def __init__(self, max_staleness: float) -> None:
        """Know nothing yet.

        Args:
            max_staleness: Seconds that an answer may be old.
        """
        self.good: list[KnownKey] = []
        self.revoked: deque[KnownKey] = deque(maxlen=_KEPT_REVOKED)
        self.checked = 0
        self.late = 0
        """Good verdicts on revoked keys within the promise."""
        self._max_staleness = max_staleness

    def take(self) -> KnownKey:
        """Take a good key to be revoked."""
        index = random.randrange(len(self.good))  # noqa: S311 - a sample, no secret
        self.good[index], self.good[-1] = self.good[-1], self.good[index]
        key = self.good.pop()
        key.revoking = True
        return key

    def note_revoked(self, key: KnownKey, revision: int) -> None:
        """Note that a revocation was acknowledged."""
        key.revision, key.revoke_time = revision, time.time()
        self.revoked.append(key)

    def ask(self, key: KnownKey | None, demand: FreshnessRequirement | None = None) -> Asked:
        """Note what is known when a question is sent."""
        return Asked(key, key is not None and key.revision > 0, demand)

    def check(self, asked: Asked, verdict: ValidateCredentialResponse) -> None:
        """Check an answer that has just come.

        Raises:
            WrongAnswer: It cannot be.
        """
        self.checked += 1
        key, reason = asked.key, verdict.denial.reason
        if key is None:
            _require(
                reason == DENIAL_REASON_KEY_NOT_FOUND, "an unknown key is not unknown", verdict
            )
            return
        if verdict.HasField("denial"):
            _require(key.revoking, "a good key is denied", verdict)
            _require(
                reason == DENIAL_REASON_KEY_REVOKED, "a revoked key is something else", verdict
            )
            return
        _require(verdict.principal.key_id == key.key_id, "a key is another one", verdict)
        if asked.was_revoked:
            self._check_late(asked, key, verdict)

    def _check_late(self, asked: Asked, key: KnownKey, verdict: ValidateCredentialResponse) -> None:
        """Check a good verdict on a key that was known to be revoked when it was asked for."""
        as_of = verdict.freshness.as_of.ToNanoseconds() / 1e9
        _require(asked.demand is None, "a demand for freshness was not met", verdict)
        _require(as_of <= key.revoke_time, "an answer is not as fresh as it says", verdict)
        _require(time.time() - as_of <= self._max_staleness + 1, "an answer is too old", verdict)
        self.late += 1


def _require(holds: bool, problem: str, verdict: ValidateCredentialResponse) -> None:  # noqa: FBT001 - a condition
    if not holds:
        raise WrongAnswer(f"{problem}: {verdict}")
