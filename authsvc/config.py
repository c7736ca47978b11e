"""Every `AUTHSVC_*` setting of the server, typed and bounded.

`docs/configuration.md` is generated from this module by `authsvc config`.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from authsvc.domain.signing_keys import SigningAlgorithm

PREFIX: Final = "AUTHSVC_"
ENCRYPTION_KEY_BYTES: Final = 32


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe log lines to write."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _database_url(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    return url


def _listen_address(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise ValueError("must be host:port, like 127.0.0.1:50051 or [::1]:50051")
    return address


def _encryption_key(key: SecretStr) -> SecretStr:
    decode_encryption_key(key.get_secret_value())
    return key


def decode_encryption_key(text: str) -> bytes:
    """Decode an encryption key.

    Raises:
        ValueError: It is not the base64 of 32 bytes; the error does not repeat it.
    """
    try:
        key = base64.b64decode(text.strip().translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != ENCRYPTION_KEY_BYTES:
        raise ValueError(
            "must be 32 random bytes in base64; make one with: openssl rand -base64 32"
        ) from None
    return key


Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    """The server's settings, read from the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] = Field(
        description="The Postgres database (14 or newer): `postgresql://user:password@host/name`; "
        "`?host=/directory` names a socket directory."
    )
    encryption_key: Annotated[SecretStr, AfterValidator(_encryption_key)] = Field(
        description="32 random bytes in base64 that encrypt the private signing keys at rest. "
        "Make one with `openssl rand -base64 32`; keep it apart from the database's back-ups."
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
    listen_address: Annotated[str, AfterValidator(_listen_address)] = Field(
        default="127.0.0.1:50051",
        validate_default=True,
        description="Where gRPC is served, as `host:port`. An address that is not a loopback "
        "address needs TLS, or `AUTHSVC_ALLOW_PLAINTEXT`.",
    )
    database_pool_size: int = Field(
        default=10, ge=1, le=1000, description="The most connections to the database."
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
    max_staleness: Seconds = Field(
        default=5.0,
        description="The most seconds for which signing keys that were read from the database "
        "are used before they are read again.",
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

    # Both look at settings above their own, so that start-up reports them with all the others.
    @field_validator("tls_key_file")
    @classmethod
    def _goes_with_certificate(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if (file is None) != (info.data.get("tls_certificate_file") is None):
            raise ValueError("goes with AUTHSVC_TLS_CERTIFICATE_FILE: set both or none")
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
    def leeway(self) -> timedelta:
        """How far the clocks of issuer and verifier may disagree."""
        return timedelta(seconds=self.token_leeway)


def is_loopback(address: str) -> bool:
    """Tell whether a listen address can be reached from this machine only."""
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
        raise InvalidSettings([_problem(detail) for detail in error.errors()]) from None


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
        return _database_url(SecretStr(url)).get_secret_value()
    except ValueError as error:
        raise InvalidSettings([f"{name}: {error}"]) from None


def _problem(detail: object) -> str:
    location, message = detail["loc"], str(detail["msg"]).removeprefix("Value error, ")  # type: ignore[index] # an ErrorDetails
    if not location:
        return message
    name = f"{PREFIX}{location[0]}".upper()
    return f"{name}: {'is required' if message == 'Field required' else message}"
