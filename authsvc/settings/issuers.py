"""The settings of one other issuer, typed and bounded: an `[[issuer]]` of `AUTHSVC_ISSUERS_FILE`.

`docs/foreign-issuers.md` has them all; a test sees to it.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
)

from authsvc.domain import ids
from authsvc.domain.foreign_issuers import (
    ClaimedAccount,
    FixedAccount,
    ForeignAlgorithm,
    ForeignTokenRules,
    ScopeMapping,
)
from authsvc.domain.scopes import MAX_SCOPES, RESERVED, is_scope
from authsvc.settings.toml_files import TABLE

_ALIAS: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MEDIA_TREE: Final = "application/"


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _check_alias(alias: str) -> str:
    if _ALIAS.fullmatch(alias) is None:
        raise ValueError("must be 1 to 32 lower-case letters, digits and '-', a '-' not first")
    return alias


def _check_account_id(account_id: str) -> str:
    if not ids.is_id(account_id, ids.ACCOUNT):
        raise ValueError("must be an account's id, like acct_01h2xcejqtf2nbrexx3vqjhp41")
    return account_id


def _check_scope(scope: str) -> str:
    if not is_scope(scope):
        raise ValueError("must be a scope like sessions:read, sessions:* or *")
    if scope in RESERVED:
        raise ValueError("is reserved for keys of the system account")
    return scope


def _check_type(media_type: str) -> str:
    return media_type.lower().removeprefix(_MEDIA_TREE)


_Text = Annotated[str, Field(min_length=1, max_length=255)]
_AccountId = Annotated[str, AfterValidator(_check_account_id)]
_Scope = Annotated[str, AfterValidator(_check_scope)]
_Scopes = Annotated[list[_Scope], Field(max_length=MAX_SCOPES), BeforeValidator(_listed)]


class IssuerEntry(BaseModel):
    """One `[[issuer]]`. Settings that others are checked against come before those."""

    model_config = TABLE

    alias: Annotated[str, AfterValidator(_check_alias)]
    allow_loopback: bool = False
    jwks_uri: str | None = None
    jwks_file: Path | None = None
    issuer: _Text
    ca_file: Path | None = None
    audience: Annotated[list[_Text], Field(min_length=1), BeforeValidator(_listed)]
    algorithms: Annotated[list[ForeignAlgorithm], Field(min_length=1)] = [
        ForeignAlgorithm.RS256,
        ForeignAlgorithm.ES256,
    ]
    token_types: Annotated[
        list[Annotated[str, AfterValidator(_check_type)]], Field(min_length=1)
    ] = ["at+jwt", "jwt"]
    account_id: _AccountId | None = None
    account_claim: _Text | None = Field(default=None, validate_default=True)
    account_map: dict[str, _AccountId] | None = None
    subject_claim: _Text = "sub"
    scope_claim: _Text = "scope"
    scope_map: dict[str, _Scopes] = {}
    default_scopes: _Scopes = []
    leeway: Annotated[float, Field(ge=0, le=300)] | None = None
    max_lifetime: Annotated[float, Field(gt=0, le=24 * 3600)] = 3600
    outage_max_age: Annotated[float, Field(ge=60, le=7 * 24 * 3600)] = 3600

    @field_validator("jwks_uri")
    @classmethod
    def _is_safe(cls, url: str | None, info: ValidationInfo) -> str | None:
        return None if url is None else _check_url(url, info.data.get("allow_loopback"))

    @field_validator("jwks_file")
    @classmethod
    def _is_alone(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("jwks_uri") is not None:
            raise ValueError("does not go with jwks_uri: set one of them, or none for discovery")
        return file

    @field_validator("issuer")
    @classmethod
    def _can_be_discovered(cls, issuer: str, info: ValidationInfo) -> str:
        data = info.data
        # One that was wrong is not in the data: then there is nothing to say about discovery.
        if data.keys() >= {"jwks_uri", "jwks_file"} and not (data["jwks_uri"] or data["jwks_file"]):
            _check_url(issuer, data.get("allow_loopback"))
            if "?" in issuer or "#" in issuer:
                raise ValueError("must have no query and no fragment to be discovered")
        return issuer

    @field_validator("account_claim")
    @classmethod
    def _is_one_of_two(cls, claim: str | None, info: ValidationInfo) -> str | None:
        if "account_id" in info.data and (claim is None) == (info.data["account_id"] is None):
            raise ValueError("set either account_id or account_claim")
        return claim

    @field_validator("account_map")
    @classmethod
    def _has_claim(
        cls, table: dict[str, str] | None, info: ValidationInfo
    ) -> dict[str, str] | None:
        if table is not None and info.data.get("account_id") is not None:
            raise ValueError("goes with account_claim, and not with account_id")
        return table

    def rules(self, default_leeway: timedelta) -> ForeignTokenRules:
        """Return what its tokens must say."""
        account: FixedAccount | ClaimedAccount
        if self.account_id is not None:
            account = FixedAccount(self.account_id)
        else:
            account = ClaimedAccount(self.account_claim or "", self.account_map)
        return ForeignTokenRules(
            alias=self.alias,
            issuer=self.issuer,
            audiences=frozenset(self.audience),
            account=account,
            scopes=ScopeMapping(
                claim=self.scope_claim,
                table={foreign: tuple(ours) for foreign, ours in self.scope_map.items()},
                default=tuple(self.default_scopes),
            ),
            subject_claim=self.subject_claim,
            leeway=default_leeway if self.leeway is None else timedelta(seconds=self.leeway),
            max_lifetime=timedelta(seconds=self.max_lifetime),
        )


def _check_url(url: str, allow_loopback: object) -> str:
    """Check an address to fetch from."""
    try:
        target = urlsplit(url)
        host, port = target.hostname or "", target.port
    except ValueError:
        host, port = "", 0
    if not host or port == 0 or target.username is not None or not _has_url_characters(url):
        raise ValueError("must be a URL like https://id.example.com/keys")
    if allow_loopback:
        if target.scheme not in {"https", "http"} or not _is_loopback(host):
            raise ValueError("must be on this machine while allow_loopback is set")
    elif target.scheme != "https":
        raise ValueError("must begin with https://")
    return url


def _has_url_characters(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
