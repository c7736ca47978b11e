"""The sync client's methods for the use of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _usage_requests, _usage_responses
from orchestrator.auth._calls import Calls

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.auth._enums import UsageGranularity
    from orchestrator.auth._usage_model import AccountUsage, KeyUsage


class UsageMethods(Calls):
    """What is recorded of the use of keys."""

    def get_key_usage(
        self,
        key_id: str,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        granularity: UsageGranularity | None = None,
        timeout: float | None = None,
    ) -> KeyUsage:
        """Return how a key is used: counts by hour or day, client addresses, callers.

        Counts are exact; what the servers have counted within their last flush interval (10 seconds
        unless set) may be missing.

        Args:
            key_id: Its id (`key_…`).
            start_time: Where to begin; aware, at most 31 days before the end for hours and 400 for
                days. Default: 24 hours before the end for hours, 30 days for days.
            end_time: Where to end; aware. Default, and what a later one means: now.
            granularity: How long an interval is. Default: an hour, or a day where more than 31
                days are asked for.
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such key, or this client may not see it.
            InvalidArgument: Something is out of bounds; see `field_violations`.
            ValueError: A time is naive, or the granularity is none that can be asked for.
        """
        request = _usage_requests.get_key_usage(
            key_id, start_time=start_time, end_time=end_time, granularity=granularity
        )
        response = self._call(self._open().auth.GetKeyUsage, request, timeout)
        return _usage_responses.key_usage(response)

    def get_account_usage(
        self,
        account_id: str | None = None,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        granularity: UsageGranularity | None = None,
        timeout: float | None = None,
    ) -> AccountUsage:
        """Return how the keys of an account are used together, revoked ones among them.

        Args:
            account_id: The account; default: this client's own.
            start_time: As `get_key_usage` takes it.
            end_time: As `get_key_usage` takes it.
            granularity: As `get_key_usage` takes it.
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such account, or this client may not see it.
            InvalidArgument: Something is out of bounds; see `field_violations`.
            ValueError: A time is naive, or the granularity is none that can be asked for.
        """
        request = _usage_requests.get_account_usage(
            account_id, start_time=start_time, end_time=end_time, granularity=granularity
        )
        response = self._call(self._open().auth.GetAccountUsage, request, timeout)
        return _usage_responses.account_usage(response)
