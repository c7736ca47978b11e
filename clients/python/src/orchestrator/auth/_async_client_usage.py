"""The async client's methods for the use of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _usage_requests, _usage_responses
from orchestrator.auth._async_calls import AsyncCalls

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.auth._enums import UsageGranularity
    from orchestrator.auth._usage_model import AccountUsage, KeyUsage


class AsyncUsageMethods(AsyncCalls):
    """The use of keys, with the arguments, results and errors of `UsageMethods`."""

    async def get_key_usage(
        self,
        key_id: str,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        granularity: UsageGranularity | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> KeyUsage:
        """Return how a key is used: see `AuthClient.get_key_usage`."""
        request = _usage_requests.get_key_usage(
            key_id, start_time=start_time, end_time=end_time, granularity=granularity
        )
        response = await self._call(self._open().auth.GetKeyUsage, request, timeout)
        return _usage_responses.key_usage(response)

    async def get_account_usage(
        self,
        account_id: str | None = None,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        granularity: UsageGranularity | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> AccountUsage:
        """Return how the keys of an account are used: see `AuthClient.get_account_usage`."""
        request = _usage_requests.get_account_usage(
            account_id, start_time=start_time, end_time=end_time, granularity=granularity
        )
        response = await self._call(self._open().auth.GetAccountUsage, request, timeout)
        return _usage_responses.account_usage(response)
