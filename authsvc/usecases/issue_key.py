"""The making of a key: a secret, its digest for the store, its hint for people.

Whether the key may be made is decided before; `CreateKey` and `Bootstrap` both end here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.answers import KeptAnswer
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.key_secrets import RANDOM_BYTES, KeySecret
from authsvc.domain.keys import Key
from authsvc.domain.origin import Origin
from authsvc.domain.rate_limits import RateLimit


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its secret."""

    key: Key
    secret: KeySecret
    answered_revision: int = 0
    """The revision of the first answer, when this is a repeat of it."""

    @property
    def revision(self) -> int:
        """The revision of the change that made the key."""
        return self.answered_revision or self.key.revision


class NewKeys(Protocol):
    """Where new keys are kept."""

    async def insert_key(self, key: Key, digest: bytes, origin: Origin, deadline: Deadline) -> Key:
        """Keep a new key.

        Args:
            key: The key; its revision is yet to be given.
            digest: The SHA-256 digest of its secret.
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            The key with the revision of this change.

        Raises:
            KeyNameTaken: Another live key of the account has this name.
            AccountNotFound: There is no such account.
            DatabaseUnavailable: The database did not answer before the deadline; the key may
                have been kept all the same.
        """
        ...


class KeysOfRequests(Protocol):
    """Where new keys are kept, with the answers to their requests when those may be repeated."""

    async def insert_key_once(
        self,
        key: Key,
        digest: bytes,
        *,
        answer: KeptAnswer | None,
        origin: Origin,
        deadline: Deadline,
    ) -> Key | None:
        """Keep a new key and the answer, if any; None when the request has an answer already."""
        ...


class IssueKey:
    """Makes keys."""

    def __init__(
        self,
        *,
        store: NewKeys,
        clock: Clock,
        new_id: Callable[[str], str],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Take the store, and the sources of time, ids and randomness."""
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes

    async def __call__(
        self,
        account_id: str,
        name: str,
        *,
        scopes: Iterable[str],
        expire_time: datetime | None,
        metadata: Mapping[str, str],
        origin: Origin,
        deadline: Deadline,
    ) -> IssuedKey:
        """Make a key and keep it.

        Args:
            account_id: The account it acts for.
            name: Within bounds.
            scopes: Well formed, at least one.
            expire_time: None for a key without expiry.
            metadata: Within bounds.
            origin: What the audit log is told.
            deadline: How long it may take.

        Raises:
            KeyNameTaken: Another live key of the account has this name.
            AccountNotFound: There is no such account.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        key, secret = self.make(
            account_id, name, scopes=scopes, expire_time=expire_time, metadata=metadata
        )
        kept = await self._store.insert_key(key, secret.digest(), origin, deadline)
        return IssuedKey(kept, secret)

    def make(
        self,
        account_id: str,
        name: str,
        *,
        scopes: Iterable[str],
        expire_time: datetime | None,
        metadata: Mapping[str, str],
        allowed_addresses: tuple[str, ...] = (),
        rate_limit: RateLimit | None = None,
    ) -> tuple[Key, KeySecret]:
        """Make a key and its secret, and keep neither.

        The arguments are those of a call. Addresses are normalised, a limit is within bounds.
        """
        secret = KeySecret.from_random(self._random_bytes(RANDOM_BYTES))
        key = Key(
            key_id=self._new_id(ids.KEY),
            account_id=account_id,
            name=name,
            scopes=tuple(sorted(set(scopes))),
            hint=secret.hint(),
            create_time=self._clock(),
            expire_time=expire_time,
            metadata=metadata,
            revision=0,
            allowed_addresses=allowed_addresses,
            rate_limit=rate_limit,
        )
        return key, secret
