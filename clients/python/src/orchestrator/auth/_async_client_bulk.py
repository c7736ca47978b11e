"""The async client's methods for many keys at once, and for leaked ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _bulk_requests, _bulk_responses
from orchestrator.auth._async_calls import AsyncCalls
from orchestrator.auth._enums import ImportMode

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.auth._bulk_model import ImportedKeys, KeyToImport, ReportedKey, RevokedKeys
    from orchestrator.auth._enums import RevocationReason
    from orchestrator.auth._secret import Secret


class AsyncBulkMethods(AsyncCalls):
    """Many keys and leaked ones, with the arguments, results and errors of `BulkMethods`."""

    async def import_keys(
        self,
        keys: Collection[KeyToImport],
        *,
        account_id: str,
        mode: ImportMode = ImportMode.EACH_BY_ITSELF,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> ImportedKeys:
        """Take over keys of another system: see `AuthClient.import_keys`."""
        request = _bulk_requests.import_keys(keys, account_id=account_id, mode=mode)
        response = await self._call(self._open().auth.ImportKeys, request, timeout)
        return _bulk_responses.imported_keys(response, len(request.keys))

    async def revoke_keys(
        self,
        *,
        account_id: str | None = None,
        reason: RevocationReason | None = None,
        note: str = "",
        except_key_ids: Collection[str] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> RevokedKeys:
        """End every live key of an account: see `AuthClient.revoke_keys`."""
        request = _bulk_requests.revoke_keys(
            account_id=account_id, reason=reason, note=note, except_key_ids=except_key_ids
        )
        response = await self._call(self._open().auth.RevokeKeys, request, timeout)
        return _bulk_responses.revoked_keys(response)

    async def report_leaked_key(
        self,
        secret: Secret | str,
        *,
        found_at: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> ReportedKey:
        """End a key whose secret was found: see `AuthClient.report_leaked_key`."""
        request = _bulk_requests.report_leaked_key(secret, found_at=found_at)
        response = await self._call(self._open().auth.ReportLeakedKey, request, timeout)
        return _bulk_responses.reported_key(response)
