"""What a token of another issuer must say, and whom it stands for here.

RFC 9068 (section 2.2) and OpenID Connect Core (section 2) both demand `iss`, `aud`, `exp`, `iat`
and `sub`, and so do we; `jti` is left out by many, and nothing here depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from authsvc.domain import ids
from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.claims import text_claim, time_claim, whole_seconds
from authsvc.domain.denials import DenialReason
from authsvc.domain.findings import Finding, FindingCode

SUBJECT_SEPARATOR: Final = "|"
"""Parts an issuer's alias and a subject of it. No id of ours has it."""


class ForeignAlgorithm(StrEnum):
    """What tokens of other issuers may be signed with: nothing whose key is a shared secret."""

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    EDDSA = "EdDSA"


@dataclass(frozen=True, slots=True)
class FixedAccount:
    """All tokens of an issuer act for one account."""

    account_id: str

    claim: ClassVar[str] = ""

    def find(self, _claims: Mapping[str, object]) -> str:
        """Return the account's id."""
        return self.account_id


@dataclass(frozen=True, slots=True)
class ClaimedAccount:
    """A claim names the account."""

    claim: str
    table: Mapping[str, str] | None = None
    """The account's id for each value; None: the value is the id."""

    def find(self, claims: Mapping[str, object]) -> str | None:
        """Return the account's id, or None where the claim names none."""
        value = text_claim(claims, self.claim)
        if value is None:
            return None
        if self.table is not None:
            return self.table.get(value)
        return value if ids.is_id(value, ids.ACCOUNT) else None


@dataclass(frozen=True, slots=True)
class ScopeMapping:
    """What the scopes of an issuer are called here."""

    claim: str
    table: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Our scopes for each of theirs, never a reserved one. What is not in it is dropped."""
    default: tuple[str, ...] = ()
    """The scopes of a token without the claim."""

    def find(self, claims: Mapping[str, object]) -> tuple[str, ...] | None:
        """Return our scopes; None when the claim is neither a text nor a list of texts."""
        value = claims.get(self.claim)
        if self.claim not in claims:
            return self.default
        foreign = value.split(" ") if isinstance(value, str) else value
        if not isinstance(foreign, list) or not all(isinstance(one, str) for one in foreign):
            return None
        return tuple(dict.fromkeys(ours for one in foreign for ours in self.table.get(one, ())))


@dataclass(frozen=True, slots=True)
class ForeignTokenRules:
    """What a token of one issuer must say to be meant for us."""

    alias: str
    """A short name of the issuer, which the ids of its users begin with."""
    issuer: str
    audiences: frozenset[str]
    account: FixedAccount | ClaimedAccount
    scopes: ScopeMapping
    subject_claim: str
    leeway: timedelta
    """How far the clocks of issuer and verifier may disagree; zero or more."""
    max_lifetime: timedelta
    """How long a token may be good. Nothing ends it sooner, so this is what a leak can cost."""

    def read(self, claims: Mapping[str, object], now: datetime) -> AccessTokenClaims | DenialReason:
        """Judge the claims of a token whose signature is good.

        Args:
            claims: The payload, member names unique.
            now: The moment of the call.

        Returns:
            The claims in our terms; or TOKEN_EXPIRED when nothing but the expiry is wrong; or
            TOKEN_INVALID.
        """
        expire_time, issue_time = time_claim(claims, "exp"), time_claim(claims, "iat")
        subject, scopes = text_claim(claims, self.subject_claim), self.scopes.find(claims)
        account_id = self.account.find(claims)
        faults = self.find_faults(claims, now)
        if (
            expire_time is None
            or issue_time is None
            or subject is None
            or scopes is None
            or account_id is None
            or any(fault.code is not FindingCode.TOKEN_EXPIRED for fault in faults)
        ):
            return DenialReason.TOKEN_INVALID
        read = AccessTokenClaims(
            subject=f"{self.alias}{SUBJECT_SEPARATOR}{subject}",
            account_id=account_id,
            scopes=scopes,
            expire_time=expire_time,
            issue_time=issue_time,
            token_id=text_claim(claims, "jti") or "",
        )
        return self.judge_expiry(read, now)

    def judge_expiry(
        self, claims: AccessTokenClaims, now: datetime
    ) -> AccessTokenClaims | DenialReason:
        """Return the claims while they hold, else TOKEN_EXPIRED."""
        if claims.expire_time <= now - self.leeway:
            return DenialReason.TOKEN_EXPIRED
        return claims

    def find_faults(self, claims: Mapping[str, object], now: datetime) -> tuple[Finding, ...]:
        """Tell everything for which `read` refuses claims, the expiry last.

        Args:
            claims: The payload, member names unique.
            now: The moment of the call.
        """
        found = [*self._faults_of_form(claims), *self._faults_of_meaning(claims)]
        starts = [start for name in ("iat", "nbf") if (start := time_claim(claims, name))]
        if starts and max(starts) > now + self.leeway:
            ahead = whole_seconds(max(starts) - now)
            found.append(Finding(FindingCode.TOKEN_NOT_YET_VALID, length=ahead))
        expire_time, issue_time = time_claim(claims, "exp"), time_claim(claims, "iat")
        if expire_time is not None and issue_time is not None:
            excess = expire_time - issue_time - self.max_lifetime
            if excess > self.leeway:
                length = whole_seconds(excess)
                found.append(Finding(FindingCode.TOKEN_LIFETIME, length=length))
        if expire_time is not None and expire_time <= now - self.leeway:
            length = whole_seconds(now - expire_time)
            found.append(Finding(FindingCode.TOKEN_EXPIRED, length=length))
        return tuple(found)

    def _faults_of_form(self, claims: Mapping[str, object]) -> list[Finding]:
        named = dict.fromkeys(("iss", "aud", "exp", "iat", self.subject_claim, self.account.claim))
        found = [
            Finding(FindingCode.TOKEN_CLAIM_MISSING, claim=name)
            for name in named
            if name and name not in claims
        ]
        times = [name for name in ("exp", "iat", "nbf") if name in claims]
        malformed = [name for name in times if time_claim(claims, name) is None]
        texts = {self.subject_claim, self.account.claim} & claims.keys()
        malformed += sorted(name for name in texts if text_claim(claims, name) is None)
        if self.scopes.find(claims) is None:
            malformed.append(self.scopes.claim)
        found += [Finding(FindingCode.TOKEN_CLAIM_MALFORMED, claim=name) for name in malformed]
        return found

    def _faults_of_meaning(self, claims: Mapping[str, object]) -> list[Finding]:
        found = []
        if "iss" in claims and claims["iss"] != self.issuer:
            found.append(Finding(FindingCode.TOKEN_ISSUER))
        if "aud" in claims and not self._is_audience(claims["aud"]):
            found.append(Finding(FindingCode.TOKEN_AUDIENCE))
        names_account = not self.account.claim or text_claim(claims, self.account.claim)
        if names_account and self.account.find(claims) is None:
            found.append(Finding(FindingCode.TOKEN_ACCOUNT_UNMAPPED))
        return found

    def _is_audience(self, audience: object) -> bool:
        named = audience if isinstance(audience, list) else [audience]
        return all(isinstance(one, str) for one in named) and not self.audiences.isdisjoint(named)
