"""Settings: access tokens, the sessions that they belong to, and the keys that sign them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from authsvc.domain.signing_keys import LONGEST_TOKEN_LIFE, SigningAlgorithm
from authsvc.settings.issuers_file import check_issuers_file


class TokenSettings(BaseSettings):
    """Access tokens, the sessions that they belong to, and the keys that sign them."""

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
    refreshes_per_minute: int = Field(
        default=30,
        ge=1,
        le=1_000_000,
        description="How often one session may be refreshed in a minute by one process before it "
        "gets RATE_LIMITED. A repeat that gets the same answer again does not count.",
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
        # A server looks for an unknown key at most once a second, and denies its tokens until then.
        ge=2,
        le=86400,
        description="How many seconds a new key is published before it signs; at least 2, so that "
        "all servers know it by then. Longer than those who verify keep the published keys: we "
        "tell them 5 minutes.",
    )

    # It looks at a setting above its own, so that start-up reports it with all the others.
    @field_validator("issuers_file")
    @classmethod
    def _has_good_issuers(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None:
            check_issuers_file(file, own_issuer=info.data.get("token_issuer"))
        return file

    @property
    def leeway(self) -> timedelta:
        """How far the clocks of issuer and verifier may disagree."""
        return timedelta(seconds=self.token_leeway)
