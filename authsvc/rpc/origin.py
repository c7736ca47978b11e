"""What the audit log is told of a call: who makes it, and from where."""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from google.protobuf.descriptor import MethodDescriptor

from authsvc.domain.callers import Caller
from authsvc.domain.ids import SESSION, is_id
from authsvc.domain.origin import ActorKind, Origin
from authsvc.domain.principals import PrincipalKind

_KINDS: Final = MappingProxyType(
    {
        PrincipalKind.API_KEY: ActorKind.KEY,
        PrincipalKind.USER: ActorKind.USER,
        PrincipalKind.CERTIFICATE: ActorKind.CERTIFICATE,
    }
)


def action_of(method: MethodDescriptor) -> str:
    """Return a method's full name as gRPC has it on the wire, but for the slash before it."""
    return f"{method.containing_service.full_name}/{method.name}"


def call_origin(caller: Caller | None, action: str, request_id: str, address: str) -> Origin:
    """Return the origin of a call.

    Args:
        caller: Who calls; None when nobody proved who they are.
        action: The method, as `action_of` names it.
        request_id: Under which the log has the call.
        address: The peer's IP address; may be empty.
    """
    if caller is None:
        return Origin(ActorKind.ANONYMOUS, action, request_id=request_id, address=address)
    principal = caller.principal
    return Origin(
        _KINDS[principal.kind],
        action,
        principal.actor,
        principal.account_id,
        request_id=request_id,
        address=address,
        actor_session_id=principal.session_id if is_id(principal.session_id, SESSION) else "",
        actor_scopes=tuple(sorted(principal.scopes)),
    )


# A connection's peer stays the same, call after call.
@functools.lru_cache(maxsize=4096)
def address_of(peer: str) -> str:
    """Return the IP address of what gRPC says of a peer; empty for a Unix socket."""
    kind, _, rest = unquote(peer).partition(":")
    host = rest.rpartition(":")[0].removeprefix("[").removesuffix("]")
    return host if kind in {"ipv4", "ipv6"} else ""
