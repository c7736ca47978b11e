"""Settings: how many calls there may be at once, and how connections are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

Minutes = Annotated[float, Field(gt=0, le=24 * 60)]


class TrafficSettings(BaseSettings):
    """How many calls there may be at once, and how connections are kept."""

    max_queued_calls: int = Field(
        default=400,
        ge=2,
        le=100_000,
        description="How many calls of one method may wait until a process takes them up. Beyond "
        "that they are refused at once; from half as many on, some of them at random. More of "
        "them take longer bursts, and make callers wait longer under overload.",
    )
    max_concurrent_calls: int = Field(
        default=200,
        ge=1,
        le=100_000,
        description="How many calls, of all but validations and streams, one process may have "
        "under way at once: they wait for the database or for a password hash. Beyond that they "
        "are refused with RESOURCE_EXHAUSTED (OVERLOADED). Calls that need no credential have half "
        "of them and no more. What validations read is bounded by `AUTHSVC_MAX_LOOKUPS`.",
    )
    max_streams_per_connection: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="How many calls and streams one connection may have under way. A client keeps "
        "others back until some have ended.",
    )
    connection_age_minutes: Minutes = Field(
        default=30.0,
        description="After how many minutes, give or take a tenth, a connection is ended in order, "
        "so that replicas that were added later get their share. Calls on it have a minute to end.",
    )
    connection_idle_minutes: Minutes = Field(
        default=15.0,
        description="After how many minutes without a call a connection is ended in order. Its "
        "client opens another one with its next call.",
    )
