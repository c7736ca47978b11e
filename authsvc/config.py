"""Every `AUTHSVC_*` setting of the server, typed and bounded.

`docs/configuration.md` is generated from this module by `authsvc config`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from authsvc.config_issuers_file import check_issuers_file
from authsvc.config_values import (
    OFF,
    LogFormat,
    LogLevel,
    OutagePolicy,
    check_database_url,
    check_encryption_key,
    check_http_address,
    check_listen_address,
    check_previous_encryption_key,
    check_rate_limit_store,
    is_loopback,
)
from authsvc.domain.signing_keys import LONGEST_TOKEN_LIFE, SigningAlgorithm

PREFIX: Final = "AUTHSVC_"

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    """The server's settings, read from the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: Annotated[SecretStr, AfterValidator(check_database_url)] = Field(
        description="The Postgres database (14 or newer): `postgresql://user:password@host/name`; "
        "`?host=/directory` names a socket directory."
    )
    encryption_key: Annotated[SecretStr, AfterValidator(check_encryption_key)] = Field(
        description="32 random bytes in base64 that encrypt the private signing keys at rest. "
        "Make one with `openssl rand -base64 32`; keep it apart from the database's back-ups."
    )
    encryption_key_previous: Annotated[
        SecretStr | None, AfterValidator(check_previous_encryption_key)
    ] = Field(
        default=None,
        description="A second encryption key: what is sealed under it can be opened, and nothing "
        "new is sealed under it. For changing the encryption key: docs/signing-keys.md.",
    )
    tls_certificate_file: Path | None = Field(
        default=None,
        description="The server's certificate chain in PEM. Goes with `AUTHSVC_TLS_KEY_FILE`.",
    )
    tls_key_file: Path | None = Field(
        default=None,
        validate_default=True,
        description="The private key of the server's certificate, in PEM.",
    )
    allow_plaintext: bool = Field(
        default=False,
        description="Serve without TLS on an address that is not a loopback address. For servers "
        "behind a proxy or mesh that encrypts; keys travel readable otherwise.",
    )
    listen_address: Annotated[str, AfterValidator(check_listen_address)] = Field(
        default="127.0.0.1:50051",
        validate_default=True,
        description="Where gRPC is served, as `host:port`. An address that is not a loopback "
        "address needs TLS, or `AUTHSVC_ALLOW_PLAINTEXT`.",
    )
    http_address: Annotated[str, AfterValidator(check_http_address)] = Field(
        default="127.0.0.1:50080",
        description="Where HTTP is served, as `host:port`: the public keys of access tokens, at "
        "`/.well-known/jwks.json`. It is without TLS and may be a public address, for what it "
        "serves is public. `off` serves no HTTP.",
    )
    workers: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        default=1,
        description="How many processes serve, sharing the port by SO_REUSEPORT; `auto` is one "
        "for each core. Only Linux shares connections out among them. `authsvc dev` serves from "
        "one process whatever this says.",
    )
    database_pool_size: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="The most connections to the database, shared out among the workers; each "
        "worker has one more for following changes.",
    )
    database_timeout: Seconds = Field(
        default=2.0,
        description="The most seconds that one call may wait for the database, connection "
        "included. A call's own deadline, when shorter, comes first.",
    )
    token_issuer: str = Field(
        default="https://auth.orchestratorhq.com",
        min_length=1,
        max_length=255,
        description="The `iss` of access tokens.",
    )
    token_audience: str = Field(
        default="https://api.orchestratorhq.com",
        min_length=1,
        max_length=255,
        description="The `aud` of access tokens: the API that they open.",
    )
    token_algorithm: SigningAlgorithm = Field(
        default=SigningAlgorithm.ES256,
        description="What new access tokens are signed with. Keys of the other algorithms go on "
        "verifying the tokens that they signed.",
    )
    token_leeway: float = Field(
        default=10.0,
        ge=0,
        le=300,
        description="How many seconds the clocks of issuer and verifier may disagree.",
    )
    issuers_file: Path | None = Field(
        default=None,
        description="A TOML file with other issuers (OpenID Connect) whose tokens are accepted: "
        "docs/foreign-issuers.md.",
    )
    access_token_ttl: int = Field(
        default=900,
        ge=1,
        le=round(LONGEST_TOKEN_LIFE.total_seconds()),
        description="How many seconds an access token is good; at most 3600.",
    )
    session_lifetime: int = Field(
        default=30 * 24 * 3600,
        ge=60,
        le=366 * 24 * 3600,
        description="How many seconds a dashboard session lasts, however often it is refreshed.",
    )
    session_idle_lifetime: int = Field(
        default=7 * 24 * 3600,
        ge=60,
        le=366 * 24 * 3600,
        description="How many seconds a dashboard session lasts without a refresh. Longer than "
        "`AUTHSVC_SESSION_LIFETIME` is as long.",
    )
    refresh_reuse_window: float = Field(
        default=10.0,
        ge=0,
        le=300,
        description="For how many seconds a refresh token that was used gets the same answer "
        "again: for answers that were lost, and two windows of one browser. A use after that ends "
        "the session.",
    )
    signing_key_lifetime: int = Field(
        default=30,
        ge=0,
        le=3650,
        description="How many days a key signs before the next one does. 0: until somebody "
        "rotates it.",
    )
    signing_key_lead: float = Field(
        default=900.0,
        ge=0,
        le=86400,
        description="How many seconds a new key is published before it signs. Longer than those "
        "who verify keep the published keys: we tell them 5 minutes.",
    )
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
        "may present in a minute to one process before it gets RATE_LIMITED. Needs the caller to "
        "say `context.client_ip`.",
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
    leak_reports_per_minute: int = Field(
        default=60,
        ge=1,
        le=1_000_000,
        description="How many leaked keys one address (IPv6: one /64) may report in a minute to "
        "one process before it gets RESOURCE_EXHAUSTED: `ReportLeakedKey` needs no credential. "
        "Behind a proxy, all reports come from one address.",
    )
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
    shutdown_grace: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="How many seconds running calls may take to finish after SIGTERM.",
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

    # These look at settings above their own, so that start-up reports them with all the others.
    @field_validator("tls_key_file")
    @classmethod
    def _goes_with_certificate(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if (file is None) != (info.data.get("tls_certificate_file") is None):
            raise ValueError("goes with AUTHSVC_TLS_CERTIFICATE_FILE: set both or none")
        return file

    @field_validator("issuers_file")
    @classmethod
    def _has_good_issuers(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None:
            check_issuers_file(file, own_issuer=info.data.get("token_issuer"))
        return file

    @field_validator("listen_address")
    @classmethod
    def _is_not_public_plaintext(cls, address: str, info: ValidationInfo) -> str:
        encrypted = info.data.get("tls_certificate_file") is not None
        if not (encrypted or info.data.get("allow_plaintext") or is_loopback(address)):
            raise ValueError(
                "is not a loopback address and there is no TLS, so keys would travel readable: "
                "set AUTHSVC_TLS_CERTIFICATE_FILE and AUTHSVC_TLS_KEY_FILE, or, behind something "
                "that encrypts, AUTHSVC_ALLOW_PLAINTEXT=true"
            )
        return address

    @property
    def worker_count(self) -> int:
        """How many processes serve."""
        return (os.cpu_count() or 1) if self.workers == "auto" else self.workers

    @property
    def serves_http(self) -> bool:
        """Whether HTTP is served at all."""
        return self.http_address != OFF

    @property
    def leeway(self) -> timedelta:
        """How far the clocks of issuer and verifier may disagree."""
        return timedelta(seconds=self.token_leeway)


class InvalidSettings(Exception):
    """Some settings are missing or wrong; `problems` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        """Carry the lines."""
        super().__init__("\n".join(problems))
        self.problems = problems


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment.

    Args:
        overrides: Settings by name that take precedence over the environment.

    Raises:
        InvalidSettings: With every bad setting at once; it repeats no values.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors()]
        raise InvalidSettings([line for problem in problems for line in problem]) from None


def load_database_url() -> str:
    """Read the one setting that commands on the bare database need.

    Raises:
        InvalidSettings: It is missing or wrong; the error does not repeat it.
    """
    name = f"{PREFIX}DATABASE_URL"
    url = os.environ.get(name, "")
    if not url:
        raise InvalidSettings([f"{name}: is required"])
    try:
        return check_database_url(SecretStr(url)).get_secret_value()
    except ValueError as error:
        raise InvalidSettings([f"{name}: {error}"]) from None


def _problem(detail: object) -> list[str]:
    """Return one line for each thing that is wrong with a setting."""
    location, message = detail["loc"], str(detail["msg"]).removeprefix("Value error, ")  # type: ignore[index] # an ErrorDetails
    if not location:
        return [message]
    name = f"{PREFIX}{location[0]}".upper()
    text = "is required" if message == "Field required" else message
    return [f"{name}: {line}" for line in text.splitlines()]
