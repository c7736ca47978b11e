"""A question about a credential, and the answers that it can have."""

from __future__ import annotations

from typing import NamedTuple

from authsvc.domain.credentials import KeyDigest, TokenCredential
from authsvc.domain.denials import Denial
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand
from authsvc.domain.principals import Principal


class Question(NamedTuple):
    """A credential, and what is asked of it."""

    value: str
    """An Authorization header's value as it came, or a bare credential."""
    required_scopes: tuple[str, ...] = ()
    """Well-formed scopes, all of which it must have."""
    demand: FreshnessDemand = NO_DEMAND
    """How fresh the verdict must be."""
    client_address: str = ""
    """The IP address that presented the credential; empty when it is not known."""
    caller_id: str = ""
    """Who asks: its key's id or its certificate's name; empty when this service does, about its
    own caller."""

    def __repr__(self) -> str:
        """Return a text without the credential."""
        return "Question(redacted)"


class Verdict(NamedTuple):
    """The answer about one credential, and how old it is."""

    outcome: Principal | Denial
    freshness: Freshness


class Unsettled(NamedTuple):
    """A question that cannot be answered without waiting, and the credential that it is about."""

    credential: KeyDigest | TokenCredential
    question: Question

    def __repr__(self) -> str:
        """Return a text without the credential."""
        return "Unsettled(redacted)"
