"""GetJwks: the public keys that access tokens are verified with, for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from authsvc.domain.clock import Deadline
from authsvc.domain.json_web_keys import JsonWebKey


class PublicKeys(Protocol):
    """What is known of the keyring."""

    async def list_published(self, deadline: Deadline) -> list[JsonWebKey]:
        """Return the public keys of all that verify, in the order in which they begin to sign."""
        ...


class GetJwks:
    """Returns the public keys."""

    def __init__(self, keys: PublicKeys) -> None:
        """Take what is known of the keyring."""
        self._keys = keys

    async def __call__(self, deadline: Deadline) -> Sequence[JsonWebKey]:
        """Return the public keys of all that verify. HS256 keys have none.

        Raises:
            DatabaseUnavailable: Memory has no keyring that is young enough, and the database did
                not answer before the deadline.
        """
        return await self._keys.list_published(deadline)
