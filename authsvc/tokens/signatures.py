"""The signature of a compact JWS (RFC 7515), whosever token it is.

The algorithm is taken from the key and never from the token (RFC 8725 section 3.1).
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final

import jwt

from authsvc.tokens.compact import Malformed, decode_segment
from authsvc.tokens.key_material import PublicKey

_JWS: Final = jwt.PyJWS()


def signed_payload(token: str, key: PublicKey, algorithm: StrEnum) -> bytes:
    """Return the payload of a token that is signed with a key.

    Args:
        token: Three base64url segments joined by dots.
        key: The key.
        algorithm: The one that the key may be used with.

    Raises:
        Malformed: It is not signed with it, or not in the one canonical form.
    """
    decode_segment(token.rpartition(".")[2])
    try:
        payload: bytes = _JWS.decode(token, key, algorithms=[algorithm.value])
    except jwt.PyJWTError:
        raise Malformed("signature") from None
    return payload


def token_digest(token: str) -> bytes:
    """Return under what a token is remembered as verified: 32 bytes."""
    return hashlib.sha256(token.encode("ascii")).digest()
