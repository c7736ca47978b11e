"""Whether who makes a change may still make it, settled when no other change can come between.

A call is let in by what was true when it came. Until it has its turn to write, its own credential
may have been ended or narrowed: then it changes nothing any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from authsvc.domain import ids
from authsvc.domain.denials import DenialReason
from authsvc.domain.errors import CallerCredentialInvalid, CallerNotPermitted
from authsvc.domain.origin import ActorKind, Origin
from authsvc.domain.scopes import covers
from authsvc.domain.users import ROLE_SCOPES, UserRole

BEGIN_CHANGE: Final = "SELECT ended, scopes, role FROM authsvc.begin_change($1::jsonb)"
"""Tells the triggers of the audit log the origin, takes the lock of all changes (docs/adr/0005),
and reads what has become of the actor."""


def origin_value(origin: Origin) -> str:
    """Return an origin as statements take it."""
    return json.dumps(asdict(origin))


def check_actor(origin: Origin, found: Mapping[str, Any]) -> None:
    """Let pass only an actor that may still do what it was let in for.

    Args:
        origin: Who acts.
        found: The row of `BEGIN_CHANGE`.

    Raises:
        CallerCredentialInvalid: Its key, user, session or account was ended or disabled since the
            call came.
        CallerNotPermitted: Its key was narrowed, or its user got a lesser role.
    """
    if found["ended"] is not None:
        raise CallerCredentialInvalid(DenialReason[found["ended"]])
    if origin.actor_kind is ActorKind.KEY:
        if found["scopes"] is None:
            raise CallerCredentialInvalid(DenialReason.KEY_NOT_FOUND)
        scopes = frozenset(found["scopes"])
    elif origin.actor_kind is ActorKind.USER and ids.is_id(origin.actor_id, ids.USER):
        if found["role"] is None:
            raise CallerCredentialInvalid(DenialReason.TOKEN_INVALID)
        scopes = ROLE_SCOPES[UserRole(found["role"])]
    else:
        # What others may do is not kept in the database.
        return
    for scope in origin.actor_scopes:
        if not covers(scopes, scope):
            raise CallerNotPermitted(scope)
