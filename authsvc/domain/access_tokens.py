"""The claims of an access token (RFC 7519, RFC 9068), and the rules they must keep.

The signature is verified elsewhere; this module judges what a genuine issuer could still have
meant for somebody else or for another time (RFC 8725 sections 3.8 to 3.10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from authsvc.domain import ids
from authsvc.domain.claims import text_claim as _text
from authsvc.domain.claims import time_claim as _time
from authsvc.domain.claims import whole_seconds as _seconds
from authsvc.domain.denials import DenialReason
from authsvc.domain.findings import Finding, FindingCode
from authsvc.domain.freshness import Freshness
from authsvc.domain.scopes import is_scope, without_reserved

ACCOUNT_CLAIM: Final = "account_id"


@dataclass(frozen=True, slots=True)
class AccessTokenClaims:
    """What a genuine access token says."""

    subject: str
    account_id: str
    scopes: tuple[str, ...]
    expire_time: datetime
    issue_time: datetime
    token_id: str
    session_id: str = ""
    user_id: str = field(init=False, compare=False)
    """The subject where it has the form of a user's id, so that there must be such a user; else
    empty, as in the tokens that development mints for whom it likes."""
    known_session_id: str = field(init=False, compare=False)
    """Likewise the session, where it has the form of a session's id."""

    def __post_init__(self) -> None:
        """Settle once what every validation of the token has to know."""
        user_id = self.subject if ids.is_id(self.subject, ids.USER) else ""
        object.__setattr__(self, "user_id", user_id)
        session_id = self.session_id if ids.is_id(self.session_id, ids.SESSION) else ""
        object.__setattr__(self, "known_session_id", session_id)


@dataclass(frozen=True, slots=True)
class TokenVerification:
    """What was found out about a token."""

    outcome: AccessTokenClaims | DenialReason
    freshness: Freshness
    """How old the signing keys were that it was verified with."""
    met_demand: bool = False
    """Whether our signing keys were read for it as was demanded: they are fresh for others, too."""


@dataclass(frozen=True, slots=True)
class TokenReading:
    """Everything that is wrong with a token."""

    findings: tuple[Finding, ...]
    scopes: tuple[str, ...] | None = None
    """What it opens; None when its signature is not good."""
    subject: str = ""
    """Whom it names; empty when its signature is not good, or it names nobody."""
    account_id: str = ""
    """The account that it names; likewise."""
    session_id: str = ""
    """The session that it belongs to; likewise."""
    issuer: str = ""
    """The alias of the issuer that it is of; empty for this service and for strangers."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say to be meant for us."""

    issuer: str
    audience: str
    leeway: timedelta
    """How far the clocks of issuer and verifier may disagree; zero or more."""

    def read(self, claims: Mapping[str, object], now: datetime) -> AccessTokenClaims | DenialReason:
        """Judge the claims of a token whose signature is good.

        Args:
            claims: The payload, member names unique.
            now: The moment of the call.

        Returns:
            The claims; or TOKEN_EXPIRED when nothing but the expiry is wrong; or TOKEN_INVALID.
        """
        expire_time, issue_time = _time(claims, "exp"), _time(claims, "iat")
        not_before = _time(claims, "nbf") if "nbf" in claims else issue_time
        subject, token_id = _text(claims, "sub"), _text(claims, "jti")
        account_id = _text(claims, ACCOUNT_CLAIM)
        session_id = _text(claims, "sid") if "sid" in claims else ""
        scopes = _scopes(claims)
        if (
            expire_time is None
            or issue_time is None
            or not_before is None
            or subject is None
            or token_id is None
            or account_id is None
            or session_id is None
            or scopes is None
            or claims.get("iss") != self.issuer
            or not self._is_audience(claims.get("aud"))
            or max(issue_time, not_before) > now + self.leeway
        ):
            return DenialReason.TOKEN_INVALID
        read = AccessTokenClaims(
            subject, account_id, scopes, expire_time, issue_time, token_id, session_id
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

        Returns:
            Nothing if and only if `read` returns the claims.
        """
        found = [
            Finding(FindingCode.TOKEN_CLAIM_MISSING, claim=name)
            for name in _REQUIRED
            if name not in claims
        ]
        found += [
            Finding(FindingCode.TOKEN_CLAIM_MALFORMED, claim=name)
            for name, read in _READERS.items()
            if name in claims and read(claims, name) is None
        ]
        if "iss" in claims and claims["iss"] != self.issuer:
            found.append(Finding(FindingCode.TOKEN_ISSUER))
        if "aud" in claims and not self._is_audience(claims["aud"]):
            found.append(Finding(FindingCode.TOKEN_AUDIENCE))
        starts = [start for name in ("iat", "nbf") if (start := _time(claims, name)) is not None]
        if starts and max(starts) > now + self.leeway:
            found.append(
                Finding(FindingCode.TOKEN_NOT_YET_VALID, length=_seconds(max(starts) - now))
            )
        expire_time = _time(claims, "exp")
        if expire_time is not None and expire_time <= now - self.leeway:
            found.append(Finding(FindingCode.TOKEN_EXPIRED, length=_seconds(now - expire_time)))
        return tuple(found)

    def _is_audience(self, audience: object) -> bool:
        if isinstance(audience, list):
            return self.audience in audience and all(isinstance(one, str) for one in audience)
        return audience == self.audience


def _scopes(claims: Mapping[str, object]) -> tuple[str, ...] | None:
    """Read the `scope` claim (RFC 8693 section 4.2): one string, scopes parted by blanks."""
    value = claims.get("scope", "")
    if not isinstance(value, str):
        return None
    scopes = tuple(value.split(" ")) if value else ()
    return scopes if all(is_scope(scope) for scope in scopes) else None


def scopes_of(claims: Mapping[str, object]) -> tuple[str, ...]:
    """Return the scopes that claims grant outside the system account; none if malformed."""
    return without_reserved(_scopes(claims) or ())


def read_text(claims: Mapping[str, object], name: str) -> str:
    """Return a claim that is a short text; empty if it is missing or malformed."""
    return _text(claims, name) or ""


_REQUIRED: Final = ("iss", "aud", "exp", "iat", "sub", "jti", ACCOUNT_CLAIM)
_READERS: Final[Mapping[str, Callable[[Mapping[str, object], str], object]]] = {
    "exp": _time,
    "iat": _time,
    "nbf": _time,
    "sub": _text,
    "jti": _text,
    ACCOUNT_CLAIM: _text,
    "sid": _text,
    "scope": lambda claims, _name: _scopes(claims),
}
