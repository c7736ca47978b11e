"""Keys as another system had them: what is asked of each before it can be imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from authsvc.domain.bounds import MAX_LIFETIME, Violations
from authsvc.domain.key_secrets import DIGEST_BYTES, is_hint
from authsvc.domain.rate_limits import RateLimit

_FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """A key that is to be imported."""

    digest: bytes = field(repr=False)
    """The SHA-256 digest of its secret."""
    name: str
    scopes: tuple[str, ...] = ()
    """Empty: `*`."""
    create_time: datetime | None = None
    """None: now, or the earliest of the other times."""
    expire_time: datetime | None = None
    """None: never. One that has passed makes an expired key."""
    last_use_time: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""
    allowed_addresses: tuple[str, ...] = ()
    """Empty: from anywhere."""
    rate_limit: RateLimit | None = None
    disabled: bool = False

    def created_at(self, now: datetime) -> datetime:
        """Return when the key was created."""
        times = (self.expire_time, self.last_use_time, now)
        return self.create_time or min(time for time in times if time is not None)

    def violations(self, prefix: str, now: datetime) -> Violations:
        """Check everything that can be told from the key alone.

        Args:
            prefix: What comes before the names of its fields: `keys[3].`.
            now: The present.
        """
        violations = Violations()
        if len(self.digest) != DIGEST_BYTES:
            violations.add(f"{prefix}digest", f"is a SHA-256 digest: {DIGEST_BYTES} bytes")
        violations.check_name(f"{prefix}name", self.name)
        violations.check_scopes(f"{prefix}scopes", self.scopes)
        violations.check_metadata(f"{prefix}metadata", self.metadata)
        if self.hint and not is_hint(self.hint):
            violations.add(
                f"{prefix}hint", "is the first and last four characters, like orch_1a2b…c3d4"
            )
        violations.check_allowed_addresses(f"{prefix}allowed_addresses", self.allowed_addresses)
        if self.rate_limit is not None:
            violations.check_rate_limit(f"{prefix}rate_limit", self.rate_limit)
        self._check_times(prefix, now, violations)
        return violations

    def _check_times(self, prefix: str, now: datetime, violations: Violations) -> None:
        times = {
            "create_time": self.create_time,
            "expire_time": self.expire_time,
            "last_use_time": self.last_use_time,
        }
        for name, time in times.items():
            if time is None:
                continue
            if time < _FIRST_TIME:
                violations.add(f"{prefix}{name}", f"is a moment from {_FIRST_TIME.year} on")
            elif name != "expire_time" and time > now:
                violations.add(f"{prefix}{name}", "does not lie in the future")
        if self.expire_time is not None and self.expire_time > now + MAX_LIFETIME:
            violations.add(f"{prefix}expire_time", f"lies at most {MAX_LIFETIME.days} days ahead")
        if self.create_time is None:
            return
        if self.expire_time is not None and self.expire_time <= self.create_time:
            violations.add(f"{prefix}expire_time", "lies after create_time")
        if self.last_use_time is not None and self.last_use_time < self.create_time:
            violations.add(f"{prefix}last_use_time", "does not lie before create_time")
