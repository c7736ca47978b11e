"""Builds the requests of ImportKeys, RevokeKeys and ReportLeakedKey. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _to_wire
from orchestrator.auth._enums import ImportMode
from orchestrator.auth._key_requests import rate_limit_message, revocation_reason
from orchestrator.auth._secret import Secret, revealed
from orchestrator.auth.v1 import key_import_pb2, key_revocation_pb2

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orchestrator.auth._bulk_model import KeyToImport
    from orchestrator.auth._enums import RevocationReason


def import_keys(
    keys: Iterable[KeyToImport], *, account_id: str, mode: ImportMode
) -> key_import_pb2.ImportKeysRequest:
    """Build the request of ImportKeys."""
    if ImportMode(mode) is ImportMode.UNKNOWN:
        raise ValueError("mode is not an ImportMode that can be sent")
    return key_import_pb2.ImportKeysRequest(
        account_id=account_id,
        keys=map(_key_to_import, keys),
        mode=key_import_pb2.ImportMode.Value(f"IMPORT_MODE_{mode}"),
    )


def revoke_keys(
    *,
    account_id: str | None,
    reason: RevocationReason | None,
    note: str,
    except_key_ids: Collection[str],
) -> key_revocation_pb2.RevokeKeysRequest:
    """Build the request of RevokeKeys."""
    if isinstance(except_key_ids, str):
        raise TypeError("except_key_ids is a collection of ids, not a str")
    return key_revocation_pb2.RevokeKeysRequest(
        account_id=account_id or "",
        reason=revocation_reason(reason),
        note=note,
        except_key_ids=except_key_ids,
    )


def report_leaked_key(
    secret: Secret | str, *, found_at: str
) -> key_revocation_pb2.ReportLeakedKeyRequest:
    """Build the request of ReportLeakedKey."""
    return key_revocation_pb2.ReportLeakedKeyRequest(
        secret=_to_wire.encodable(revealed(secret)), found_at=_to_wire.encodable(found_at)
    )


def _key_to_import(key: KeyToImport) -> key_import_pb2.ImportedKey:
    message = key_import_pb2.ImportedKey(
        digest=key.digest,
        name=key.name,
        scopes=_to_wire.scopes(key.scopes, "scopes"),
        metadata=key.metadata,
        hint=key.hint,
        disabled=key.disabled,
        allowed_addresses=_to_wire.addresses(key.allowed_addresses, "allowed_addresses"),
        rate_limit=None if key.rate_limit is None else rate_limit_message(key.rate_limit),
    )
    if key.create_time is not None:
        message.create_time.CopyFrom(_to_wire.timestamp(key.create_time, "create_time"))
    if key.expire_time is not None:
        message.expire_time.CopyFrom(_to_wire.timestamp(key.expire_time, "expire_time"))
    if key.last_use_time is not None:
        message.last_use_time.CopyFrom(_to_wire.timestamp(key.last_use_time, "last_use_time"))
    return message
