"""The signing of access tokens (RFC 9068)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import jwt

from authsvc.domain.access_tokens import ACCOUNT_CLAIM
from authsvc.tokens.stored_keys import SigningKey

CLIENT_ID: Final = "dashboard"


class AccessTokenSigner:
    """Signs access tokens with one key."""

    def __init__(self, *, key: SigningKey, issuer: str, audience: str) -> None:
        """Take the key, and whom its tokens come from and are meant for."""
        self._key = key
        self._issuer = issuer
        self._audience = audience
        self._jws = jwt.PyJWS()

    def sign(
        self,
        *,
        user_id: str,
        account_id: str,
        scopes: Sequence[str],
        token_id: str,
        issue_time: datetime,
        ttl: timedelta,
        session_id: str = "",
    ) -> str:
        """Sign a token.

        Args:
            user_id: Whom it stands for; 1 to 255 characters.
            account_id: The account that the user acts for.
            scopes: What it may do; well-formed scopes, none of them reserved.
            token_id: What distinguishes it from all others.
            issue_time: When it is issued.
            ttl: How long it is good; whole seconds.
            session_id: The session it belongs to; empty for none.

        Returns:
            The token in compact form.
        """
        issued_at = int(issue_time.timestamp())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user_id,
            "client_id": CLIENT_ID,
            ACCOUNT_CLAIM: account_id,
            "scope": " ".join(scopes),
            "jti": token_id,
            "iat": issued_at,
            "exp": issued_at + int(ttl.total_seconds()),
        }
        if session_id:
            claims["sid"] = session_id
        return self._jws.encode(
            json.dumps(claims, separators=(",", ":")).encode(),
            self._key.key,
            algorithm=self._key.algorithm.value,
            headers={"kid": self._key.kid, "typ": "at+jwt"},
        )
