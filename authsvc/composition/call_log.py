"""The log of finished calls, built as the settings say."""

from __future__ import annotations

import asyncio
import random

from authsvc.config import Settings
from authsvc.rpc.call_log import CallLog


def build_call_log(settings: Settings) -> CallLog:
    """Return the log of calls that end on the running event loop."""
    return CallLog(
        sample=settings.log_sample,
        random=random.random,
        call_later=asyncio.get_running_loop().call_later,
    )
