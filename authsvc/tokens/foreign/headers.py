"""The headers of tokens of other issuers, which have more members than ours.

Members that say where a key is to be had (`jwk`, `jku`, `x5c`, `x5u`) are passed over, as all
others are that are not known here (RFC 7515 section 4): keys come from the issuer's key set alone.
`crit` says that a member must not be passed over, so it is refused (section 4.1.11).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from authsvc.domain.foreign_issuers import ForeignAlgorithm
from authsvc.tokens.compact import Malformed, decode_segment, read_json

MAX_HEADER_LENGTH: Final = 4096
"""The most characters of an encoded header; some carry a chain of certificates."""
MAX_KID_LENGTH: Final = 255
_MEDIA_TREE: Final = "application/"


@dataclass(frozen=True, slots=True)
class ForeignHeader:
    """Which key a token is signed with, as it says itself."""

    kid: str | None
    algorithm: ForeignAlgorithm


def read_members(token: str) -> dict[str, object]:
    """Read the members of a token's header.

    Raises:
        Malformed: It is no header.
    """
    segment = token.partition(".")[0]
    if len(segment) > MAX_HEADER_LENGTH:
        raise Malformed("header too long")
    return read_json(decode_segment(segment))


def kid_of(members: dict[str, object]) -> str | None:
    """Return the name of the key, or None where there is none.

    Raises:
        Malformed: It is no text, or a long one.
    """
    kid = members.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KID_LENGTH):
        raise Malformed("kid")
    return kid


def algorithm_of(
    members: dict[str, object], accepted: Collection[ForeignAlgorithm]
) -> ForeignAlgorithm | None:
    """Return the algorithm that a header names, or None if it is not accepted."""
    return next((one for one in accepted if one.value == members.get("alg")), None)


def is_type(members: dict[str, object], accepted: Collection[str]) -> bool:
    """Tell whether a header has one of the types; the empty type is that of a header without.

    Media types are case-insensitive, and `application/` may be left out (RFC 7515 section 4.1.9).
    """
    media_type = members.get("typ", "")
    if not isinstance(media_type, str):
        return False
    return media_type.lower().removeprefix(_MEDIA_TREE) in accepted


def read_foreign_header(
    token: str, algorithms: Collection[ForeignAlgorithm], types: Collection[str]
) -> ForeignHeader:
    """Read the header of a token.

    Args:
        token: Three base64url segments joined by dots.
        algorithms: Those that are accepted.
        types: The types that are accepted, in lower case and without `application/`.

    Raises:
        Malformed: It is not one that is accepted.
    """
    members = read_members(token)
    algorithm = algorithm_of(members, algorithms)
    if algorithm is None or "crit" in members or not is_type(members, types):
        raise Malformed("header members")
    return ForeignHeader(kid_of(members), algorithm)
