"""Accounts: the owners of keys, and the boundary of what a credential may reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AccountState(StrEnum):
    """Whether an account's credentials are good."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True)
class Account:
    """An account."""

    account_id: str
    display_name: str
    state: AccountState
    create_time: datetime
    is_system: bool
    """True for the one account whose keys may carry the reserved scopes."""
    revision: int = 0
    """The revision of the last change to it; it identifies its present form."""

    @property
    def etag(self) -> str:
        """What identifies the present form of this account (AIP-154)."""
        return f'"{self.revision:x}"'
