"""The async client's methods for API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _key_requests, _key_responses
from orchestrator.auth._async_calls import AsyncCalls
from orchestrator.auth._model import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from datetime import datetime, timedelta

    from orchestrator.auth._enums import KeyState, RevocationReason
    from orchestrator.auth._key_model import (
        CreatedKey,
        Key,
        RateLimit,
        RevokedKey,
        RotatedKey,
        UpdatedKey,
    )
    from orchestrator.auth._secret import Secret


class AsyncKeyMethods(AsyncCalls):
    """The life of a key, with the arguments, results and errors of `KeyMethods`."""

    async def create_key(
        self,
        name: str,
        *,
        account_id: str | None = None,
        scopes: Collection[str] = (),
        expire_time: datetime | None = None,
        ttl: timedelta | None = None,
        metadata: Mapping[str, str] | None = None,
        allowed_addresses: Collection[str] = (),
        rate_limit: RateLimit | None = None,
        request_id: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> CreatedKey:
        """Create an API key and return it with its secret: see `AuthClient.create_key`."""
        request = _key_requests.create_key(
            name,
            account_id=account_id,
            scopes=scopes,
            expire_time=expire_time,
            ttl=ttl,
            metadata=metadata,
            allowed_addresses=allowed_addresses,
            rate_limit=rate_limit,
            request_id=request_id,
        )
        response = await self._call(self._open().auth.CreateKey, request, timeout)
        return _key_responses.created_key(response)

    async def get_key(
        self,
        key_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Key:
        """Return a key: see `AuthClient.get_key`."""
        request = _key_requests.get_key(key_id)
        response = await self._call(self._open().auth.GetKey, request, timeout)
        return _key_responses.key(response)

    async def list_keys(
        self,
        *,
        account_id: str | None = None,
        states: Collection[KeyState] = (),
        name_prefix: str = "",
        last_used_before: datetime | None = None,
        expiring_before: datetime | None = None,
        page_size: int = 0,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> AsyncIterator[Key]:
        """Iterate over the keys of an account: see `AuthClient.list_keys`."""
        request = _key_requests.list_keys(
            account_id=account_id,
            states=states,
            name_prefix=name_prefix,
            last_used_before=last_used_before,
            expiring_before=expiring_before,
            page_size=page_size,
        )
        while True:
            response = await self._call(self._open().auth.ListKeys, request, timeout)
            page, request.page_token = _key_responses.keys(response, request.page_token)
            for key in page:
                yield key
            if not request.page_token:
                return

    async def update_key(
        self,
        key_id: str,
        *,
        name: str | Unset = UNSET,
        scopes: Collection[str] | Unset = UNSET,
        expire_time: datetime | Unset | None = UNSET,
        metadata: Mapping[str, str] | Unset = UNSET,
        disabled: bool | Unset = UNSET,
        allowed_addresses: Collection[str] | Unset = UNSET,
        rate_limit: RateLimit | Unset | None = UNSET,
        etag: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> UpdatedKey:
        """Change a key: see `AuthClient.update_key`."""
        request = _key_requests.update_key(
            key_id,
            name=name,
            scopes=scopes,
            expire_time=expire_time,
            metadata=metadata,
            disabled=disabled,
            allowed_addresses=allowed_addresses,
            rate_limit=rate_limit,
            etag=etag,
        )
        response = await self._call(self._open().auth.UpdateKey, request, timeout)
        return _key_responses.updated_key(response)

    async def rotate_key(
        self,
        key_id: str,
        *,
        overlap: timedelta | None = None,
        expire_time: datetime | None = None,
        ttl: timedelta | None = None,
        request_id: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> RotatedKey:
        """Give a key a successor and return that with its secret: see `AuthClient.rotate_key`."""
        request = _key_requests.rotate_key(
            key_id, overlap=overlap, expire_time=expire_time, ttl=ttl, request_id=request_id
        )
        response = await self._call(self._open().auth.RotateKey, request, timeout)
        return _key_responses.rotated_key(response)

    async def revoke_key(
        self,
        *,
        key_id: str | None = None,
        secret: Secret | str | None = None,
        reason: RevocationReason | None = None,
        note: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> RevokedKey:
        """End a key for good: see `AuthClient.revoke_key`."""
        request = _key_requests.revoke_key(key_id=key_id, secret=secret, reason=reason, note=note)
        response = await self._call(self._open().auth.RevokeKey, request, timeout)
        return _key_responses.revoked_key(response)
