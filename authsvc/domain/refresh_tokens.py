"""Refresh tokens: `orchrt_` and 64 lower-case hexadecimal characters, good once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from authsvc.domain.sessions import Session
from authsvc.domain.users import UserRole

PREFIX: Final = "orchrt_"
SECRET_BYTES: Final = 32

_FORM = re.compile(r"orchrt_[0-9a-f]{64}")


class RefreshToken:
    """A refresh token, which shows itself only where `reveal` is called."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Hold a well-formed token."""
        self._text = text

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes]) -> RefreshToken:
        """Make a token from 256 bits of a cryptographic source of randomness."""
        return cls(f"{PREFIX}{random_bytes(SECRET_BYTES).hex()}")

    @classmethod
    def parse(cls, text: str) -> RefreshToken | None:
        """Read a token as it came; None when it has another form. Nothing is trimmed."""
        return cls(text) if _FORM.fullmatch(text) else None

    def reveal(self) -> str:
        """Return the token itself."""
        return self._text

    def secret(self) -> bytes:
        """Return the random bytes that it is made of."""
        return bytes.fromhex(self._text.removeprefix(PREFIX))

    def digest(self) -> bytes:
        """Return what is stored of it: as for API keys, SHA-256 is enough (docs/adr/0002)."""
        return hashlib.sha256(self._text.encode()).digest()

    def __repr__(self) -> str:
        """Return a text without the token."""
        return "RefreshToken(redacted)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, repr=False)
class TokenPair:
    """What a person's browser gets: an access token, and the next refresh token."""

    access_token: str
    access_token_expire_time: datetime
    refresh_token: RefreshToken

    def __repr__(self) -> str:
        """Return a text without the tokens."""
        return "TokenPair(redacted)"


@dataclass(frozen=True, slots=True)
class GrantedSession:
    """A session, and the tokens that open it."""

    session: Session
    tokens: TokenPair


@dataclass(frozen=True, slots=True)
class StoredRefreshToken:
    """What is known of a token that was presented."""

    session: Session
    use_time: datetime | None
    """When it was used; None while it was not."""
    sealed_answer: bytes | None
    """The answer that its use got; None when that is gone."""
    answer_delete_time: datetime | None

    def answer_at(self, now: datetime) -> bytes | None:
        """Return the sealed answer while it may be told again, else None."""
        if self.answer_delete_time is None or self.answer_delete_time <= now:
            return None
        return self.sealed_answer


@dataclass(frozen=True, slots=True)
class SessionHolder:
    """The user of a session, as it is now."""

    role: UserRole
    disabled: bool
    """Whether it is disabled, or its account is."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a refresh changes."""

    granted: GrantedSession
    use_time: datetime
    sealed_answer: bytes
    answer_delete_time: datetime


Decide = Callable[[StoredRefreshToken, SessionHolder], Rotation | GrantedSession]
"""Says what becomes of a token that was presented; sees what nobody else can alter meanwhile."""
