"""ReportLeakedKey: whoever comes upon a secret ends its key, and tells where it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authsvc.domain.bounds import MAX_NOTE_LENGTH, Violations
from authsvc.domain.clock import Clock
from authsvc.domain.errors import KeyNotFound, TooManyReports
from authsvc.domain.key_secrets import PREFIX, digest_of, holds_key_secret, is_key_secret
from authsvc.domain.keys import Key, RevocationReason
from authsvc.usecases.call import OpenCall
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.revoke_key import KeyStore

_HEX_BEGINS: Final = len(PREFIX)


class LeakReportOutcome(StrEnum):
    """What a report did."""

    REVOKED = "REVOKED"
    ALREADY_ENDED = "ALREADY_ENDED"


@dataclass(frozen=True, slots=True)
class LeakReport:
    """A secret that was found where it should not be."""

    secret: str = field(repr=False)
    found_at: str
    """A URL, or words."""


@dataclass(frozen=True, slots=True)
class ReportedKey:
    """The key of a reported secret, revoked, and what the report did."""

    key: Key
    outcome: LeakReportOutcome


class ReportLeakedKey:
    """Ends keys whose secrets are in the open."""

    def __init__(
        self,
        *,
        store: KeyStore,
        failures: FailureLimit,
        reports_per_minute: int,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        """Take the store, the limits, and the sources of time.

        Args:
            store: Where keys are found and ended.
            failures: The limit on guesses; unknown secrets count towards it.
            reports_per_minute: How many reports one address may make to this process; at least 1.
            clock: Tells when a key is ended.
            monotonic: Seconds from a clock that never goes back.
        """
        self._store = store
        self._failures = failures
        self._reports = FailureLimit(failures_per_minute=reports_per_minute, monotonic=monotonic)
        self._clock = clock

    async def __call__(self, report: LeakReport, call: OpenCall) -> ReportedKey:
        """End the key of a secret; one that is revoked already stays as it is.

        Raises:
            InvalidRequest: The report breaks bounds.
            TooManyReports: The address has reported too much, or too much that is unknown.
            KeyNotFound: The secret is that of no key.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        _check(report)
        wait = self._reports.wait_for(call.address) or self._failures.wait_for(call.address)
        if wait is not None:
            raise TooManyReports(wait)
        self._reports.count(call.address)
        owner = await self._store.find_key_owner_by_digest(digest_of(report.secret), call.deadline)
        if owner is None:
            self._failures.count(call.address)
            raise KeyNotFound
        now = self._clock()
        key = await self._store.revoke_key(
            owner.key_id,
            revoke_time=now,
            reason=RevocationReason.COMPROMISED,
            note=report.found_at,
            origin=call.origin,
            deadline=call.deadline,
        )
        is_first = key.revoke_time == now
        outcome = LeakReportOutcome.REVOKED if is_first else LeakReportOutcome.ALREADY_ENDED
        return ReportedKey(key, outcome)


def _check(report: LeakReport) -> None:
    violations = Violations()
    is_secret = is_key_secret(report.secret)
    if not is_secret:
        violations.add("secret", "is orch_ and 40 hexadecimal characters")
    if not report.found_at.strip():
        violations.add("found_at", "is required")
    violations.check_text("found_at", report.found_at, MAX_NOTE_LENGTH)
    if holds_key_secret(report.found_at) or (is_secret and _is_told(report)):
        violations.add("found_at", "holds no secret: say where it was found, not what")
    violations.raise_if_any()


def _is_told(report: LeakReport) -> bool:
    """Tell whether the hexadecimal characters stand by themselves, as behind `orch%5F`."""
    return report.secret[_HEX_BEGINS:].lower() in report.found_at.lower()
