"""Requests that make a key and may be repeated: the same request id, the same answer (AIP-155)."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from authsvc.domain.answers import KeptAnswer
from authsvc.domain.audit import AuditRecord, Target, TargetKind
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import KeyNotFound, RequestIdReused
from authsvc.domain.key_secrets import KeySecret
from authsvc.domain.keys import Key
from authsvc.usecases.audit_denials import AuditStore
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Keys


@dataclass(frozen=True, slots=True)
class RepeatableRequest:
    """A request with a request id."""

    request_id: str = field(repr=False)
    digest: bytes
    fingerprint: bytes
    earlier: RepeatableRequest | None = None
    """The same request as it is known by the previous encryption key."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered before: the key as it is now, with the secret and revision of then."""

    key: Key
    secret: KeySecret
    revision: int


class Answers(Protocol):
    """Where answers are kept."""

    async def find_answer(self, digest: bytes, deadline: Deadline) -> KeptAnswer | None:
        """Return the answer under a digest, or None."""
        ...


class RequestSealer(Protocol):
    """Keeps what is stored useless without the request id."""

    def digest(self, method: str, caller_id: str, request_id: str) -> bytes:
        """Return under what an answer is kept."""
        ...

    def fingerprint(self, request_id: str, arguments: bytes) -> bytes:
        """Return what tells other arguments."""
        ...

    def seal(self, request_id: str, secret: bytes, label: str) -> bytes:
        """Encrypt a secret."""
        ...

    def open(self, request_id: str, sealed: bytes, label: str) -> bytes:
        """Decrypt a secret."""
        ...


class AnsweredRequests:
    """Finds the answers to repeats, and makes what is kept for them."""

    def __init__(
        self,
        *,
        store: Answers,
        keys: Keys,
        sealer: RequestSealer,
        audit: AuditStore,
        previous: RequestSealer | None = None,
        window: timedelta,
        clock: Clock,
    ) -> None:
        """Take what answers are kept with.

        Args:
            store: Where they are kept.
            keys: Where the keys are that they tell of.
            sealer: Seals them, by the encryption key.
            audit: Is told of answers that are told again.
            previous: Opens those that were sealed under the encryption key before that.
            window: How long they are good for.
            clock: The source of time.
        """
        self._store = store
        self._keys = keys
        self._sealer = sealer
        self._audit = audit
        self._previous = previous
        self._window = window
        self._clock = clock

    def request(
        self, method: str, caller_id: str, request_id: str, arguments: Mapping[str, object]
    ) -> RepeatableRequest:
        """Describe a request.

        Args:
            method: The RPC's name.
            caller_id: The key, user or certificate that calls.
            request_id: A UUID in text form.
            arguments: All else that was asked for.
        """
        canonical = json.dumps(arguments, sort_keys=True, default=str).encode()

        def known_by(sealer: RequestSealer, earlier: RepeatableRequest | None) -> RepeatableRequest:
            digest = sealer.digest(method, caller_id, request_id)
            fingerprint = sealer.fingerprint(request_id, canonical)
            return RepeatableRequest(request_id, digest, fingerprint, earlier)

        earlier = None if self._previous is None else known_by(self._previous, None)
        return known_by(self._sealer, earlier)

    def answer(self, request: RepeatableRequest, key_id: str, secret: KeySecret) -> KeptAnswer:
        """Return what is to be kept of an answer."""
        sealed = self._sealer.seal(request.request_id, secret.reveal().encode(), key_id)
        delete_time = self._clock() + self._window
        return KeptAnswer(request.digest, request.fingerprint, key_id, sealed, delete_time)

    async def find(self, request: RepeatableRequest, deadline: Deadline) -> Answered | None:
        """Return what was answered within the window, or None.

        Raises:
            RequestIdReused: The request had other arguments then.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        answered = await self._find(request, self._sealer, deadline)
        if answered is None and request.earlier is not None and self._previous is not None:
            answered = await self._find(request.earlier, self._previous, deadline)
        return answered

    async def _find(
        self, request: RepeatableRequest, sealer: RequestSealer, deadline: Deadline
    ) -> Answered | None:
        kept = await self._store.find_answer(request.digest, deadline)
        if kept is None or kept.delete_time <= self._clock():
            return None
        if not hmac.compare_digest(kept.fingerprint, request.fingerprint):
            raise RequestIdReused
        found = await self._keys.find_key(kept.key_id, deadline)
        if found is None:
            raise KeyNotFound
        secret = sealer.open(request.request_id, kept.sealed_secret, kept.key_id)
        return Answered(found.key, KeySecret(secret.decode()), kept.revision)

    async def note_repeat(self, key: Key, call: Call) -> None:
        """Write to the audit log that an answer, and so a secret, was told again.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        target = Target(TargetKind.KEY, key.key_id)
        await self._audit.append(AuditRecord(call.origin, target, key.account_id), call.deadline)
