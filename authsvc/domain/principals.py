"""Whom a good credential stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from authsvc.domain.presentation import Presentable


class PrincipalKind(StrEnum):
    """What kind of credential was presented."""

    API_KEY = "API_KEY"
    USER = "USER"
    CERTIFICATE = "CERTIFICATE"
    """Only callers have one: it is never judged for others."""


@dataclass(frozen=True, slots=True)
class Principal(Presentable):
    """Whom a good credential stands for and what it may do."""

    kind: PrincipalKind
    account_id: str
    scopes: frozenset[str]
    is_system: bool
    """True when it acts for the system account."""
    expire_time: datetime | None
    key_id: str = ""
    key_name: str = ""
    user_id: str = ""
    session_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    certificate_name: str = ""
    """The name of a client's certificate by which it is known."""
    superseded_by: str = ""
    """The key that takes this one's place; empty for all but rotated keys."""

    @property
    def retire_time(self) -> datetime | None:
        """When a rotated key ends; None for what was not rotated."""
        return self.expire_time if self.superseded_by else None

    @property
    def actor(self) -> str:
        """Who acts, in a form that is safe to log: a key's or a user's id, a certificate's name."""
        return self.key_id or self.user_id or self.certificate_name
