"""Which limits there are: those of this process, or shared ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from authsvc.rate_limits.in_process import InProcessLimits

if TYPE_CHECKING:
    from authsvc.rate_limits.shared import SharedLimits

RateLimits: TypeAlias = "InProcessLimits | SharedLimits"


@asynccontextmanager
async def open_rate_limits(
    store_url: str | None,
    *,
    patience: timedelta,
    capacity: int,
    monotonic: Callable[[], float],
) -> AsyncIterator[RateLimits]:
    """Open the limits, and close them at the end of the block.

    Args:
        store_url: The address of a Valkey or Redis that counts for all processes; None: each
            counts for itself. It need not be there yet.
        patience: How long a call waits for the store before this process decides.
        capacity: The most keys that this process counts for.
        monotonic: Seconds from a clock that never goes back.
    """
    in_process = InProcessLimits(capacity=capacity, monotonic=monotonic)
    if store_url is None:
        yield in_process
        return
    # Loaded late: the client of Redis loads whatever there is of OpenTelemetry, and takes long.
    from authsvc.rate_limits.shared import SharedLimits  # noqa: PLC0415
    from authsvc.rate_limits.store import SharedWindows  # noqa: PLC0415

    shared = SharedLimits(store=SharedWindows(store_url), in_process=in_process, patience=patience)
    try:
        yield shared
    finally:
        await shared.close()
