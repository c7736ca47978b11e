"""The one place where the driver's exceptions become domain errors.

Keyed on constraint names and on SQLSTATE classes (PostgreSQL documentation, appendix A), never on
texts.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import asyncpg

from authsvc.domain.errors import (
    AccountNotFound,
    AuthsvcError,
    DatabaseUnavailable,
    EmailTaken,
    KeyNameTaken,
)

_CONSTRAINTS: Final = MappingProxyType(
    {
        "keys_live_name": KeyNameTaken,
        "keys_account_id_fkey": AccountNotFound,
        "users_email_key": EmailTaken,
        "users_account_id_fkey": AccountNotFound,
    }
)
_UNAVAILABLE_CLASSES: Final = frozenset(
    {
        "08",  # connection exception
        "28",  # invalid authorization: to a caller of ours, a database that cannot be asked
        "3D",  # no such database: the same
        "40",  # transaction rollback: serialization failure, deadlock
        "53",  # insufficient resources
        "57",  # operator intervention: shutdown, crash, statement cancelled
        "58",  # system error
    }
)
_UNAVAILABLE_STATES: Final = frozenset(
    {
        "25006",  # read-only transaction: a standby answers, or a failover is under way
        "25P03",  # idle-in-transaction timeout
        "55P03",  # lock not available in time
    }
)

_FORMER_PRIMARY_STATES: Final = frozenset({"25006", "57P01", "57P02", "57P03"})


def is_of_a_former_primary(error: BaseException) -> bool:
    """Tell whether an error says that its server is not the primary, or is going away."""
    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, asyncpg.PostgresError) and (
        state in _FORMER_PRIMARY_STATES or state.startswith("08")
    )


def translate(error: Exception) -> Exception:
    """Return the domain error that an exception amounts to, or the exception itself.

    Args:
        error: Whatever came out of the driver or out of work done on a connection.

    Returns:
        DatabaseUnavailable when the database could not do the work now; what a violated
        constraint means; else `error`, which then is a fault of this program.
    """
    if isinstance(error, AuthsvcError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        meaning = _CONSTRAINTS.get(getattr(error, "constraint_name", None) or "")
        if meaning is not None:
            return meaning()
        state = error.sqlstate or ""
        if state[:2] in _UNAVAILABLE_CLASSES or state in _UNAVAILABLE_STATES:
            return DatabaseUnavailable(f"SQLSTATE {state}")
    elif isinstance(
        error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    ) and not isinstance(error, asyncpg.DataError):
        # InterfaceError: the connection or the pool was closed under the work's feet.
        # InternalClientError: the server was just about to close it and had said so already.
        return DatabaseUnavailable(type(error).__name__)
    return error
