"""Settings: what is kept for how long, what streams may hold, how it stops and logs."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from authsvc.config_values import LogFormat, LogLevel, Seconds


class RunningSettings(BaseSettings):
    """What is kept for how long, what streams may hold, how it stops and logs."""

    change_retention: int = Field(
        default=24,
        ge=1,
        le=24 * 365,
        description="How many hours the change log is kept. Who was away longer starts afresh.",
    )
    request_id_window: int = Field(
        default=3600,
        ge=60,
        le=7 * 24 * 3600,
        description="For how many seconds `CreateKey` and `RotateKey` with a `request_id` may be "
        "repeated and answer with the same key and secret; 60 to 604800.",
    )
    usage_flush_interval: Seconds = Field(
        default=10.0,
        description="Every how many seconds the counts of key usage are written. A crash loses "
        "at most one interval, a clean stop nothing.",
    )
    usage_retention: int = Field(
        default=400,
        ge=1,
        le=36_500,
        description="For how many days usage is kept. Counts go a month at a time.",
    )
    audit_retention: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="For how many days the audit log is kept; 0 keeps it for ever. Months that are "
        "past go by `authsvc maintenance` as the owner of the tables; servers remove none.",
    )
    watch_streams: int = Field(
        default=100,
        ge=0,
        le=100_000,
        description="The most `WatchRevocations` streams of one process.",
    )
    watch_buffer: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="The most events that may wait on a stream; a slower reader gets a reset.",
    )
    shutdown_notice: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="For how many seconds after SIGTERM calls are still taken, while health says "
        "NOT_SERVING: the time that a load balancer which watches health needs to turn away.",
    )
    shutdown_grace: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="How many seconds running calls may take to finish when no more are taken.",
    )
    reflection: bool = Field(
        default=True,
        description="Serve gRPC reflection (v1 and v1alpha), which grpcurl and buf curl use.",
    )
    log_level: LogLevel = Field(
        default=LogLevel.INFO, description="The least severe log lines to write."
    )
    log_format: LogFormat = Field(
        default=LogFormat.AUTO,
        description="`console` for people, `json` for machines; `auto` is `console` on a "
        "terminal and `json` elsewhere.",
    )
    log_sample: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="The share of the calls of `ValidateCredential` and `BatchValidateCredentials` "
        "without a denial that get a log line; 0 to 1. Other calls of known callers that end well "
        "all get one; of those that fail, are denied or come from nobody known, ten a second of "
        "each kind get one, and the rest is counted (docs/logs.md).",
    )
