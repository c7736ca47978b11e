"""How many verdicts callers were given, of which kind: for who watches the service."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.domain.usage_batches import GRANTED


class CredentialKind(StrEnum):
    """What was presented."""

    KEY = "key"
    TOKEN = "token"  # noqa: S105 - not a secret, but its kind
    NEITHER = "none"


_KINDS: Final = {
    PrincipalKind.API_KEY: CredentialKind.KEY,
    PrincipalKind.USER: CredentialKind.TOKEN,
}
_OF_NEITHER: Final = frozenset({DenialReason.MISSING_CREDENTIAL, DenialReason.UNSUPPORTED_SCHEME})


class VerdictCounts:
    """Counts verdicts."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self._granted = dict.fromkeys(_KINDS, 0)
        self._denied: Counter[tuple[str, str]] = Counter()

    def count(self, value: str, outcome: Principal | Denial) -> None:
        """Count a verdict.

        Args:
            value: The credential as it came.
            outcome: What became of it.
        """
        if isinstance(outcome, Principal):
            self._granted[outcome.kind] += 1
        else:
            self._denied[_kind_of(value, outcome.reason).value, outcome.reason.name] += 1

    def figures(self) -> dict[tuple[str, str], int]:
        """Return how many there were, by kind and reason."""
        granted = {(_KINDS[kind].value, GRANTED): n for kind, n in self._granted.items()}
        return granted | self._denied


def _kind_of(value: str, reason: DenialReason) -> CredentialKind:
    if reason in _OF_NEITHER:
        return CredentialKind.NEITHER
    # What is well formed is a token just if it has a dot.
    is_token = "." in value and reason is not DenialReason.INVALID_KEY_FORMAT
    return CredentialKind.TOKEN if is_token else CredentialKind.KEY
