"""The one who runs a command on the database itself, as the audit log names them."""

from __future__ import annotations

import getpass

from authsvc.domain.origin import ActorKind, Origin


def operator_origin(command: str) -> Origin:
    """Return the origin of what a command changes.

    Args:
        command: As it is typed, without its options: `authsvc bootstrap`.
    """
    return Origin(ActorKind.OPERATOR, command, _login_name())


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need have no name.
        return ""
