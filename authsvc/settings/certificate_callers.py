"""The file of `AUTHSVC_CERTIFICATE_CALLERS_FILE`: which client certificate is which caller.

TOML, one `[[caller]]` for each. Whatever is wrong is told at once, by its place in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from authsvc.domain.client_certificates import (
    CertificateRule,
    DnsRule,
    UriRule,
    is_dns_name,
    is_uri_pattern,
)
from authsvc.domain.scopes import RESERVED
from authsvc.settings.toml_files import TABLE, read_toml


def _check_uri(uri: str) -> str:
    if not is_uri_pattern(uri):
        raise ValueError(
            "must be a URI of up to 200 characters, like spiffe://example.org/gateway; only the "
            "path of a SPIFFE id may end in /*, for all below it"
        )
    return uri


def _check_dns_name(name: str) -> str:
    if not is_dns_name(name):
        raise ValueError("must be a DNS name in lower case, without *, like gateway.internal")
    return name


def _check_scope(scope: str) -> str:
    if scope not in RESERVED:
        raise ValueError(f"must be one of {', '.join(sorted(RESERVED))}")
    return scope


class CallerEntry(BaseModel):
    """One `[[caller]]`: the name by which it is known, and what its holder may do."""

    model_config = TABLE

    uri: Annotated[str, AfterValidator(_check_uri)] | None = None
    dns: Annotated[str, AfterValidator(_check_dns_name)] | None = Field(
        default=None, validate_default=True
    )
    scopes: Annotated[list[Annotated[str, AfterValidator(_check_scope)]], Field(min_length=1)]

    @field_validator("dns")
    @classmethod
    def _is_one_of_two(cls, name: str | None, info: ValidationInfo) -> str | None:
        if "uri" in info.data and (name is None) == (info.data["uri"] is None):
            raise ValueError("set either uri or dns")
        return name

    def rule(self) -> CertificateRule:
        """Return what it says."""
        scopes = frozenset(self.scopes)
        return UriRule(self.uri, scopes) if self.uri else DnsRule(self.dns or "", scopes)


class _CallersFile(BaseModel):
    model_config = TABLE

    caller: Annotated[list[CallerEntry], Field(min_length=1)]


def read_certificate_rules(path: Path) -> list[CertificateRule]:
    """Read the rules of a file, in its order.

    Raises:
        ValueError: With one line for everything that is wrong.
    """
    entries = read_toml(path, _CallersFile, of="a caller").caller
    names = [entry.uri or entry.dns for entry in entries]
    problems = [
        f"caller[{index}]: there is one above with this name"
        for index, name in enumerate(names)
        if name in names[:index]
    ]
    if problems:
        raise ValueError("\n".join(problems))
    return [entry.rule() for entry in entries]
