"""Settings: where the server listens, how it proves itself, and its database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from authsvc.config_values import (
    OFF,
    Seconds,
    check_database_url,
    check_encryption_key,
    check_http_address,
    check_listen_address,
    check_previous_encryption_key,
    is_loopback,
)
from authsvc.settings.processors import usable_processors


class ServingSettings(BaseSettings):
    """Where the server listens, how it proves itself, and its database."""

    database_url: Annotated[SecretStr, AfterValidator(check_database_url)] = Field(
        description="The Postgres database (14 or newer): `postgresql://user:password@host/name`; "
        "`?host=/directory` names a socket directory. Several hosts, `host1:5432,host2:5432`, are "
        "a primary and its standbys; the service uses whichever is the primary: docs/failover.md."
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
        "`/.well-known/jwks.json`, the probes `/livez` and `/readyz`, and on loopback addresses "
        "`/metrics`. It is without TLS and may be a public address, for what it serves there is "
        "public. `off` serves no HTTP.",
    )
    expose_metrics: bool = Field(
        default=False,
        description="Serve `/metrics` though `AUTHSVC_HTTP_ADDRESS` is not a loopback address. For "
        "addresses that only the inside can reach: metrics hold no secrets, but tell how much is "
        "going on and how many log-ins fail.",
    )
    workers: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        default=1,
        description="How many processes serve, sharing the port by SO_REUSEPORT; `auto` is one "
        "for each processor that this process may use, by its affinity and its control groups, but "
        "no more than `AUTHSVC_DATABASE_POOL_SIZE`. Only Linux shares connections out among them. "
        "`authsvc dev` serves from one process whatever this says.",
    )
    database_pool_size: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="The most connections to the database, shared out among the workers, who need "
        "at least one each; each worker has one more for following changes.",
    )
    database_timeout: Seconds = Field(
        default=2.0,
        description="The most seconds that one call may wait for the database, connection "
        "included. A call's own deadline, when shorter, comes first.",
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
    def encryption_key_texts(self) -> tuple[str, ...]:
        """The encryption keys as they were given: they have no form by which a log knows them."""
        keys = (self.encryption_key, self.encryption_key_previous)
        return tuple(key.get_secret_value().strip() for key in keys if key is not None)

    @property
    def worker_count(self) -> int:
        """How many processes serve."""
        if self.workers != "auto":
            return self.workers
        return min(usable_processors(), self.database_pool_size)

    @property
    def serves_http(self) -> bool:
        """Whether HTTP is served at all."""
        return self.http_address != OFF

    @property
    def serves_metrics(self) -> bool:
        """Whether the metrics are served with the rest of HTTP."""
        return self.serves_http and (self.expose_metrics or is_loopback(self.http_address))
