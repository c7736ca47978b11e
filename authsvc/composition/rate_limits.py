"""Rate limits of keys: opened here, joined with the rest in `authsvc.app`."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from authsvc.config import Settings
from authsvc.rate_limits.opening import RateLimits, open_rate_limits


def opened_rate_limits(settings: Settings) -> AbstractAsyncContextManager[RateLimits]:
    """Open what counts the requests of limited keys, until the end of the block."""
    url = settings.rate_limit_store
    return open_rate_limits(
        None if url is None else url.get_secret_value(),
        patience=timedelta(seconds=settings.rate_limit_store_timeout),
        capacity=settings.cache_records,
        monotonic=time.monotonic,
    )
