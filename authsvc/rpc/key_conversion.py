"""Between wire messages and domain values, for the management of keys."""

from __future__ import annotations

from typing import Final

from authsvc.domain.keys import KeyState
from authsvc.rpc.conversion import key_message, to_datetime, to_rate_limit
from authsvc.usecases.list_keys import KeyPage, ListKeysQuery
from authsvc.usecases.update_key import UpdateKeyCommand
from orchestrator.auth.v1 import key_management_pb2 as pb
from orchestrator.auth.v1 import key_pb2

_KEY_STATES: Final = {key_pb2.KeyState.Value(f"KEY_STATE_{state}"): state for state in KeyState}


def list_keys_query(request: pb.ListKeysRequest) -> ListKeysQuery:
    """Convert a request of ListKeys."""
    return ListKeysQuery(
        account_id=request.account_id,
        page_size=request.page_size,
        page_token=request.page_token,
        states=tuple(_KEY_STATES.get(state) for state in request.states),
        name_prefix=request.name_prefix,
        last_used_before=(
            to_datetime(request.last_used_before) if request.HasField("last_used_before") else None
        ),
        expiring_before=(
            to_datetime(request.expiring_before) if request.HasField("expiring_before") else None
        ),
    )


def list_keys_response(page: KeyPage) -> pb.ListKeysResponse:
    """Convert a page of keys."""
    return pb.ListKeysResponse(
        keys=[key_message(key, page.as_of) for key in page.keys],
        next_page_token=page.next_page_token,
    )


def update_key_command(request: pb.UpdateKeyRequest) -> UpdateKeyCommand:
    """Convert a request of UpdateKey."""
    key = request.key
    return UpdateKeyCommand(
        key_id=key.key_id,
        paths=tuple(request.update_mask.paths),
        etag=key.etag,
        name=key.name,
        scopes=tuple(key.scopes),
        expire_time=to_datetime(key.expire_time) if key.HasField("expire_time") else None,
        metadata=dict(key.metadata),
        disabled=key.disabled,
        allowed_addresses=tuple(key.allowed_addresses),
        rate_limit=to_rate_limit(key.rate_limit) if key.HasField("rate_limit") else None,
    )
