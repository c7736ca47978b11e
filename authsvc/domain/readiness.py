"""Whether the service can take calls, and if not, why: what health and readiness both say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that readiness looks at."""

    name: str
    passed: bool
    detail: str
    """What was found, for people. It names no host and quotes no driver."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found of everything that readiness looks at."""

    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """Whether calls may be sent here."""
        return all(check.passed for check in self.checks)
