"""The strict reading of a compact JWS (RFC 7515), before and around its signature.

Stricter than the RFCs where they leave room that forgers use, just as the service is: base64url in
its one canonical form, JSON members unique (RFC 8725 section 2.4), and no header member but those
of an access token, so that `jwk`, `jku`, `x5c`, `x5u` and `crit` are refused unread.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

_MAX_HEADER_LENGTH: Final = 512
_HEADER_MEMBERS: Final = frozenset({"alg", "kid", "typ"})
_KID_FORM: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# RFC 9068 section 2.1; media types are case-insensitive, and `application/` may be left out.
_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})


class Malformed(Exception):
    """The token is not one that the service could have issued."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an access token: which key, and what it claims to be signed with."""

    kid: str
    algorithm: str


def read_header(token: str) -> Header:
    """Read the header of a token.

    Args:
        token: Three base64url segments joined by dots.

    Raises:
        Malformed: It is not the header of an access token.
    """
    segment = token.partition(".")[0]
    if len(segment) > _MAX_HEADER_LENGTH:
        raise Malformed("header too long")
    header = read_json(decode_segment(segment))
    if header.keys() != _HEADER_MEMBERS:
        raise Malformed("header members")
    kid, algorithm, media_type = header["kid"], header["alg"], header["typ"]
    if not isinstance(kid, str) or not isinstance(algorithm, str) or not _KID_FORM.fullmatch(kid):
        raise Malformed("header types")
    if not isinstance(media_type, str) or media_type.lower() not in _TYPES:
        raise Malformed("not an access token")
    return Header(kid, algorithm)


def decode_segment(segment: str) -> bytes:
    """Decode one segment of base64url without padding.

    Raises:
        Malformed: It is not in the one canonical form.
    """
    try:
        decoded = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise Malformed("base64url") from None
    if urlsafe_b64encode(decoded).rstrip(b"=") != segment.encode("ascii"):
        raise Malformed("base64url")
    return decoded


def read_json(text: bytes) -> dict[str, object]:
    """Read a JSON object whose members are unique at every level.

    Raises:
        Malformed: It is not JSON by RFC 8259, not an object, or has a member twice.
    """
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        raise Malformed("JSON") from None
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("a member twice")
    return members


def _no_constant(_name: str) -> object:
    raise Malformed("NaN and Infinity are not JSON")
