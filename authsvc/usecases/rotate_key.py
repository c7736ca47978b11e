"""RotateKey: a successor for a key, and the end of the key before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.answers import KeptAnswer
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import AccountIsDisabled, DatabaseUnavailable, KeyNotFound
from authsvc.domain.key_secrets import RANDOM_BYTES, KeySecret
from authsvc.domain.keys import Key
from authsvc.domain.origin import Origin
from authsvc.domain.rotation import DEFAULT_OVERLAP, MAX_OVERLAP, Rotation, Succession
from authsvc.usecases.answered_requests import AnsweredRequests, RepeatableRequest
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Keys, get_managed_key


@dataclass(frozen=True, slots=True)
class RotateKeyCommand:
    """Which key to rotate, and how."""

    key_id: str
    overlap: timedelta | None = None
    """How long the old key goes on; None: 24 hours."""
    expire_time: datetime | None = None
    ttl: timedelta | None = None
    request_id: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """A new key with its secret, and the key whose place it takes."""

    key: Key
    secret: KeySecret
    retired_key: Key
    revision: int


class Rotations(Protocol):
    """Where keys are rotated."""

    async def rotate_key(
        self,
        key_id: str,
        succeed: Callable[[Key], Succession],
        *,
        answer: KeptAnswer | None,
        now: datetime,
        origin: Origin,
        deadline: Deadline,
    ) -> tuple[Key, Key] | None:
        """Give a key a successor, whole or not at all.

        Returns:
            The new key and the old one; None when the request has an answer already.
        """
        ...


class RotateKey:
    """Rotates API keys."""

    def __init__(
        self,
        *,
        keys: Keys,
        store: Rotations,
        answered: AnsweredRequests,
        clock: Clock,
        new_id: Callable[[str], str],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Take the stores, the answers to repeats, and the sources of time, ids, randomness."""
        self._keys = keys
        self._store = store
        self._answered = answered
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes

    async def __call__(self, command: RotateKeyCommand, call: Call) -> RotatedKey:
        """Give a key a successor.

        Raises:
            CallerNotPermitted: The caller may manage no keys.
            InvalidRequest: The command breaks bounds.
            KeyNotFound: There is no such key, or the caller may not see it.
            RequestIdReused: The caller sent the request id before, with other arguments.
            AccountIsDisabled: The key's account is disabled.
            ScopeNotGrantable: The caller may not grant one of the key's scopes.
            KeySuperseded: The key has a successor already.
            KeyRevoked: The key is revoked.
            KeyEnded: The key is expired or disabled.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_key_management()
        now = self._clock()
        violations = _check(command, now)
        # A moment that has passed since the first call is no fault of a repeat.
        violations.raise_if_any(but="expire_time" if command.request_id else "")
        account = (await get_managed_key(self._keys, command.key_id, call)).account
        request = self._repeatable(command, call)
        if request is not None and (before := await self._answer(request, account, call)):
            return before
        violations.raise_if_any()
        if account.state is AccountState.DISABLED:
            raise AccountIsDisabled
        secret = KeySecret.from_random(self._random_bytes(RANDOM_BYTES))
        rotation = Rotation(
            new_key_id=self._new_id(ids.KEY),
            secret=secret,
            now=now,
            overlap=DEFAULT_OVERLAP if command.overlap is None else command.overlap,
            expire_time=command.expire_time if command.ttl is None else now + command.ttl,
        )

        def succeed(old: Key) -> Succession:
            call.caller.require_grantable(old.scopes, account)
            return rotation.of(old)

        rotated = await self._store.rotate_key(
            command.key_id,
            succeed,
            answer=(
                self._answered.answer(request, rotation.new_key_id, secret) if request else None
            ),
            now=now,
            origin=call.origin,
            deadline=call.deadline,
        )
        if rotated is not None:
            key, retired = rotated
            return RotatedKey(key, secret, retired, key.revision)
        # A repeat at the same time was first.
        if request is None or (before := await self._answer(request, account, call)) is None:
            raise DatabaseUnavailable
        return before

    def _repeatable(self, command: RotateKeyCommand, call: Call) -> RepeatableRequest | None:
        if not command.request_id:
            return None
        arguments: dict[str, object] = {
            "key_id": command.key_id,
            "overlap": command.overlap,
            "expire_time": command.expire_time,
            "ttl": command.ttl,
        }
        return self._answered.request(
            "RotateKey", call.caller.principal.actor, command.request_id, arguments
        )

    async def _answer(
        self, request: RepeatableRequest, account: Account, call: Call
    ) -> RotatedKey | None:
        before = await self._answered.find(request, call.deadline)
        if before is None:
            return None
        # A user's narrower token learns no wider key.
        call.caller.require_grantable(before.key.scopes, account)
        retired = await self._keys.find_key(before.key.supersedes, call.deadline)
        if retired is None:
            raise KeyNotFound
        await self._answered.note_repeat(before.key, call)
        return RotatedKey(before.key, before.secret, retired.key, before.revision)


def _check(command: RotateKeyCommand, now: datetime) -> Violations:
    violations = Violations()
    violations.check_id("key_id", command.key_id, ids.KEY)
    if command.overlap is not None and not timedelta(0) <= command.overlap <= MAX_OVERLAP:
        violations.add("overlap", f"is from 0 to {MAX_OVERLAP.days} days")
    if command.ttl is not None:
        violations.check_lifetime("ttl", command.ttl)
    if command.expire_time is not None:
        violations.check_expire_time("expire_time", command.expire_time, now)
    violations.check_request_id("request_id", command.request_id)
    return violations
