"""Settings: the port for callers that prove themselves by a client certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from authsvc.config_values import check_listen_address
from authsvc.settings.certificate_callers import read_certificate_rules

_TOGETHER: Final = (
    "tls_certificate_file",
    "mtls_listen_address",
    "tls_client_ca_file",
    "certificate_callers_file",
)


class MutualTlsSettings(BaseSettings):
    """The port for callers that prove themselves by a client certificate."""

    mtls_listen_address: Annotated[str, AfterValidator(check_listen_address)] | None = Field(
        default=None,
        description="Where gRPC is served, as `host:port`, to clients with a certificate, and only "
        "to them: docs/tls.md. It goes with the two settings below and with the server's own "
        "certificate.",
    )
    tls_client_ca_file: Path | None = Field(
        default=None,
        description="The authorities, in PEM, that sign the certificates of those clients.",
    )
    certificate_callers_file: Path | None = Field(
        default=None,
        validate_default=True,
        description="The TOML file that says which of those clients is which caller: docs/tls.md.",
    )

    @field_validator("certificate_callers_file")
    @classmethod
    def _is_complete(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        # One that was wrong is not in the data, and is told of already.
        if not info.data.keys() >= set(_TOGETHER[:-1]):
            return file
        given = {**info.data, "certificate_callers_file": file}
        missing = [name for name in _TOGETHER if given[name] is None]
        if missing and any(given[name] is not None for name in _TOGETHER[1:]):
            names = ", ".join(f"AUTHSVC_{name.upper()}" for name in missing)
            raise ValueError(f"client certificates need more: set {names}, too")
        return file

    @field_validator("certificate_callers_file")
    @classmethod
    def _can_be_read(cls, file: Path | None) -> Path | None:
        if file is not None:
            read_certificate_rules(file)
        return file
