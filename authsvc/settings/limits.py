"""Settings: what passwords cost, and how often callers may fail or ask."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from authsvc.config_values import Seconds, check_rate_limit_store


class LimitSettings(BaseSettings):
    """What passwords cost, and how often callers may fail or ask."""

    password_time_cost: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Passes over the memory that a new password hash takes (Argon2id). The three "
        "defaults are the second recommendation of RFC 9106. A hash of another cost goes on "
        "working, and is made anew at the next log-in.",
    )
    password_memory_kib: int = Field(
        default=65_536,
        ge=8192,
        le=4_194_304,
        description="KiB of memory that a password hash takes while it is made or compared.",
    )
    password_parallelism: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Lanes of a password hash, each worked on by a thread.",
    )
    password_threads: int = Field(
        default=2,
        ge=1,
        le=256,
        description="How many password hashes one process works on at once. So many times the "
        "memory of one is what they take in all.",
    )
    password_queue: int = Field(
        default=32,
        ge=0,
        le=100_000,
        description="How many more password hashes may wait for their turn; beyond that calls "
        "that need one are refused with RESOURCE_EXHAUSTED.",
    )
    failures_per_minute: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="How many unknown keys and invalid tokens one client address (IPv6: one /64) "
        "may present in a minute to one process before it gets RATE_LIMITED; and how many unknown "
        "refresh tokens before few from there are looked up at once (docs/sessions.md). Needs the "
        "caller to say `context.client_ip`.",
    )
    leak_reports_per_minute: int = Field(
        default=60,
        ge=1,
        le=1_000_000,
        description="How many leaked keys one address (IPv6: one /64) may report in a minute to "
        "one process before it gets RESOURCE_EXHAUSTED: `ReportLeakedKey` needs no credential. "
        "Behind a proxy, all reports come from one address.",
    )
    rate_limit_store: Annotated[SecretStr, AfterValidator(check_rate_limit_store)] | None = Field(
        default=None,
        description="A Valkey or Redis in which all processes count the requests of keys with a "
        "rate limit together: `redis://user:password@host:port/database`, `rediss://` for TLS, "
        "`valkey://`, `valkeys://`, or `redis+unix:///path`. Without it each process counts by "
        "itself, as it does while the store is away.",
    )
    rate_limit_store_timeout: Seconds = Field(
        default=0.05,
        description="How many seconds a call waits for that store before this process decides by "
        "itself; a batch with many limited keys waits ten times as long at most. While the store "
        "is known to be away no call waits.",
    )
