"""Settings: how old answers may be, and what is kept in memory for them."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from authsvc.config_values import OutagePolicy, Seconds


class FreshnessSettings(BaseSettings):
    """How old answers may be, and what is kept in memory for them."""

    max_staleness: Seconds = Field(
        default=5.0,
        description="How old, in seconds, the records may be that an answer rests on. Changes are "
        "followed and are reflected within milliseconds; this is what holds when following fails.",
    )
    outage_policy: OutagePolicy = Field(
        default=OutagePolicy.UNAVAILABLE,
        description="What validations get while the database is away: `unavailable` is an error "
        "with a retry delay, `serve-stale` lets records in memory answer, marked STALE, for "
        "`AUTHSVC_OUTAGE_MAX_STALENESS` seconds. It is never a denial.",
    )
    outage_max_staleness: Seconds = Field(
        default=300.0,
        description="How old, in seconds, the records may be under `serve-stale`.",
    )
    cache_records: int = Field(
        default=100_000,
        ge=1,
        le=100_000_000,
        description="The most key records in memory; about 1 KiB each, and 150 bytes more for each "
        "of a key's address rules.",
    )
    cache_absent: int = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="The most unknown keys to remember, so that repeating them costs no query.",
    )
    cache_tokens: int = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="The most access tokens to remember as verified; about 1 KiB each.",
    )
    max_lookups: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="The most database look-ups of validations under way; more are refused with "
        "RESOURCE_EXHAUSTED.",
    )
