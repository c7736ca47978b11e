"""From a refused call to what the audit log keeps of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import grpc
from google.protobuf.message import Message

from authsvc.domain.audit import AuditRecord, Target, TargetKind
from authsvc.domain.callers import Caller
from authsvc.domain.errors import CallerCredentialInvalid, EmailTaken, RefreshTokenReused
from authsvc.domain.origin import ActorKind, Origin
from authsvc.rpc.error_table import row_of
from authsvc.rpc.management import named_account, target_of
from orchestrator.auth.v1.error_reason_pb2 import ErrorReason

_DENIALS: Final = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.NOT_FOUND,
    }
)


def denied_record(
    error: Exception, request: Message | None, caller: Caller | None, origin: Origin
) -> AuditRecord | None:
    """Return what to write of a call that ended with an error; None when it was no refusal.

    Args:
        error: What ended it.
        request: What was asked; None when it cannot be read.
        caller: Who asked; None when nobody proved who they are.
        origin: What the audit log is told of the call.
    """
    row = row_of(error)
    # Who is told that an address is taken has learned of a user of whatever account.
    if row.code not in _DENIALS and not isinstance(error, EmailTaken):
        return None
    if isinstance(error, RefreshTokenReused):
        # The request names the session by a token, which is not written down.
        target = Target(TargetKind.SESSION, error.session_id)
        return AuditRecord(origin, target, error.account_id, ErrorReason.Name(row.reason))
    if isinstance(error, CallerCredentialInvalid) and error.key_id:
        # Its owner is to see who uses a key that was stolen, and from where.
        origin = replace(
            origin,
            actor_kind=ActorKind.KEY,
            actor_id=error.key_id,
            actor_account_id=error.account_id,
        )
    # Others may name any account: its log is not theirs to fill, and whether their own attempts
    # are in their own log must not depend on what exists.
    is_system = caller is not None and caller.principal.is_system
    return AuditRecord(
        origin,
        target_of(request),
        named_account(request) if is_system else "",
        ErrorReason.Name(row.reason),
    )
