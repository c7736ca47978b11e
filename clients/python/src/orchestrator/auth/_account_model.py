"""What the clients return about accounts: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.auth._enums import AccountState


@dataclass(frozen=True, slots=True)
class Account:
    """An account: the owner of keys and users."""

    account_id: str
    display_name: str
    state: AccountState
    create_time: datetime
    etag: str = ""


@dataclass(frozen=True, slots=True)
class UpdatedAccount:
    """An account as it is after a change, and the revision of that change."""

    account: Account
    revision: int
