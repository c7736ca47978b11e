"""The claims of an access token (RFC 7519, RFC 9068), and the rules they must keep.

As strict as the service. The signature is verified elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.auth._enums import PrincipalKind
from orchestrator.auth._model import Principal
from orchestrator.auth._scopes import is_scope, without_reserved

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TOKEN_LIFE: Final = timedelta(hours=1)
"""The longest that the service lets an access token live."""

_MAX_TEXT: Final = 255
# The last second that a datetime can hold; a time beyond it is nobody's expiry.
_LAST_SECOND: Final = datetime.max.replace(tzinfo=UTC).timestamp() - 1
_SUFFIX: Final = r"[0-7][0-9a-hjkmnp-tv-z]{25}"
_USER_ID: Final = re.compile(rf"user_{_SUFFIX}")
_SESSION_ID: Final = re.compile(rf"sess_{_SUFFIX}")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a genuine access token says."""

    subject: str
    account_id: str
    session_id: str
    scopes: frozenset[str]
    """None of them reserved."""
    issue_time: datetime
    expire_time: datetime

    @property
    def is_of_a_session(self) -> bool:
        """Whether it was issued by a log-in or a refresh, and no longer-lived than those are.

        Only then was there an account, a user and a session, none of them disabled or ended, when
        it was issued. Operators can sign tokens for whom they like.
        """
        return (
            self.expire_time - self.issue_time <= LONGEST_TOKEN_LIFE
            and _USER_ID.fullmatch(self.subject) is not None
            and _SESSION_ID.fullmatch(self.session_id) is not None
        )

    def principal(self) -> Principal:
        """Return whom the token stands for."""
        return Principal(
            kind=PrincipalKind.USER,
            account_id=self.account_id,
            key_id=None,
            key_name=None,
            user_id=self.subject,
            session_id=self.session_id or None,
            scopes=tuple(sorted(self.scopes)),
            expire_time=self.expire_time,
            metadata={},
        )


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say to be meant for us."""

    issuer: str
    audience: str
    leeway: timedelta
    """How far the clocks of issuer and verifier may disagree; zero or more."""

    def read(self, claims: Mapping[str, object], now: datetime) -> Claims | None:
        """Return the claims of a token whose signature is good, expired or not; None: invalid.

        Args:
            claims: The payload, member names unique.
            now: The moment of the call.
        """
        expire_time, issue_time = _time(claims, "exp"), _time(claims, "iat")
        not_before = _time(claims, "nbf") if "nbf" in claims else issue_time
        subject, token_id = _text(claims, "sub"), _text(claims, "jti")
        account_id = _text(claims, "account_id")
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
            return None
        return Claims(
            subject, account_id, session_id, without_reserved(scopes), issue_time, expire_time
        )

    def has_expired(self, claims: Claims, now: datetime) -> bool:
        """Tell whether a token is past its end."""
        return claims.expire_time <= now - self.leeway

    def _is_audience(self, audience: object) -> bool:
        if isinstance(audience, list):
            return self.audience in audience and all(isinstance(one, str) for one in audience)
        return audience == self.audience


def _text(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        return None
    return value if value.isprintable() else None


def _time(claims: Mapping[str, object], name: str) -> datetime | None:
    """Read a NumericDate; a bool is a number to Python but not to RFC 7519."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Refuses NaN and the infinities too, and compares an int that no float can hold.
    if not 0 <= value <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(value, UTC)


def _scopes(claims: Mapping[str, object]) -> tuple[str, ...] | None:
    """Read the `scope` claim (RFC 8693 section 4.2): one string, scopes parted by blanks."""
    value = claims.get("scope", "")
    if not isinstance(value, str):
        return None
    scopes = tuple(value.split(" ")) if value else ()
    return scopes if all(is_scope(scope) for scope in scopes) else None
