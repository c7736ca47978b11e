"""Pages of listings (AIP-158): how long they are, and where the next one begins."""

from __future__ import annotations

from typing import Final, Protocol

from authsvc.domain.bounds import Violations
from authsvc.domain.errors import InvalidRequest, Violation

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000


class PageTokens(Protocol):
    """What makes page tokens that nobody else can make."""

    def make(self, position: str, listing: str) -> str:
        """Return the token of a position in a listing."""
        ...

    def read(self, token: str, listing: str) -> str | None:
        """Return the position, or None when the token was not made for this listing."""
        ...


def check_page_size(violations: Violations, page_size: int) -> None:
    """Check the size that is asked for. There is none that is too large."""
    if page_size < 0:
        violations.add("page_size", "is not negative")


def length_of_page(page_size: int) -> int:
    """Return how many entries a page has at most: 50 for 0, and never more than 1,000."""
    return min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def get_position(page_tokens: PageTokens, token: str, listing: str) -> str:
    """Return the position that a token stands for, in a listing with filters.

    Raises:
        InvalidRequest: The token was not made for this listing.
    """
    position = page_tokens.read(token, listing)
    if position is None:
        description = (
            "is the next_page_token of an earlier response to the same account and filters"
        )
        raise InvalidRequest((Violation("page_token", description),))
    return position
