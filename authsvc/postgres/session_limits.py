"""What the database itself bounds in a session of ours, should nobody here be left to do it.

Whoever waits for an answer has a limit of its own, and it is shorter. These end what goes on in the
database when the process that began it hangs, or its machine is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

# A peer that is gone without a word is noticed within a minute, not in two hours: its locks and its
# connection are free again. Without effect on sockets that are not TCP's.
_DEAD_PEERS: Final = MappingProxyType(
    {
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "60000",
    }
)
_UNLIMITED: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long things may take in a session before the database ends them; zero is for ever.

    A statement and a wait for a lock fail. An idle transaction, and an idle session, are closed
    with their connection.
    """

    statement: timedelta = _UNLIMITED
    lock: timedelta = _UNLIMITED
    idle_transaction: timedelta = _UNLIMITED
    idle_session: timedelta = _UNLIMITED

    @classmethod
    def all_of(cls, limit: timedelta) -> SessionLimits:
        """Give a statement, a wait for a lock, and an idle transaction the same limit."""
        return cls(statement=limit, lock=limit, idle_transaction=limit)

    def as_server_settings(self) -> dict[str, str]:
        """Return them as the parameters with which a session begins (PostgreSQL 14)."""
        return {
            **_DEAD_PEERS,
            "statement_timeout": _milliseconds(self.statement),
            "lock_timeout": _milliseconds(self.lock),
            "idle_in_transaction_session_timeout": _milliseconds(self.idle_transaction),
            "idle_session_timeout": _milliseconds(self.idle_session),
        }


def _milliseconds(limit: timedelta) -> str:
    return str(round(limit.total_seconds() * 1000))
