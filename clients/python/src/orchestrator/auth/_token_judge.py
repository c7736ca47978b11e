"""Judges access tokens by what is known here, and says when the service has to be asked instead.

    form -> header -> key -> signature -> claims -> expiry -> session -> user, account -> scopes

in the order in which the service judges them. Decides, without input or output: `TokenVerifier` and
`AsyncTokenVerifier` carry it out.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from orchestrator.auth import _denials
from orchestrator.auth._compact import Malformed, decode_segment, read_header, read_json
from orchestrator.auth._credential_form import read_credential
from orchestrator.auth._enums import DenialReason, FreshnessSource
from orchestrator.auth._key_set import Missing
from orchestrator.auth._model import Denial, Freshness, Principal, Verdict
from orchestrator.auth._scopes import covers, is_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from orchestrator.auth._claims import Claims, TokenRules
    from orchestrator.auth._events import Event
    from orchestrator.auth._key_set import KeySet
    from orchestrator.auth._public_keys import PublicKey
    from orchestrator.auth._revocations import Revocations

# The denials of the service that an event ends, or nothing.
_KEPT_DENIALS: Final = frozenset({DenialReason.TOKEN_REVOKED, DenialReason.ACCOUNT_DISABLED})


@dataclass(slots=True)
class _Remembered:
    """A token whose signature is good, and what the service said of it."""

    key: PublicKey
    claims: Claims
    answer: Principal | Denial | None = None
    place: int = -1
    """The place among the events at which the service was asked."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The service is to be asked about the credential, with these demands."""

    required_scopes: tuple[str, ...]
    at_least_revision: int | None = None
    about: _Remembered | None = field(default=None, repr=False)
    """The token that it is about, if its scopes are judged here."""
    place: int | None = None
    """From where on events tell when the answer ends; None: it holds for this call only."""


class TokenJudge:
    """Judges tokens. Safe to use from several threads."""

    def __init__(
        self,
        *,
        rules: TokenRules,
        keys: KeySet,
        revocations: Revocations,
        remembered: int,
        other_issuers: bool,
        clock: Callable[[], datetime],
    ) -> None:
        """Take what it judges by.

        Args:
            rules: What a token must say.
            keys: The keys that tokens are signed with.
            revocations: What was told of sessions, users and accounts.
            remembered: How many good tokens to remember, so as not to verify them again.
            other_issuers: Whether what names another issuer is the service's to judge.
            clock: The time of day, in UTC.
        """
        self._rules = rules
        self._keys = keys
        self._revocations = revocations
        self._most_remembered = remembered
        self._other_issuers = other_issuers
        self._clock = clock
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        # Guards the revocations and what is remembered; no signature is verified under it.
        self._lock = threading.Lock()

    def hear(self, event: Event) -> None:
        """Note an event of the watch."""
        with self._lock:
            self._revocations.hear(event)

    @property
    def as_of(self) -> datetime | None:
        """Up to when everything is known, by the server's clock; None: the service is asked."""
        with self._lock:
            return self._revocations.as_of

    def judge(self, value: str, required_scopes: Collection[str]) -> Verdict | Ask | None:
        """Judge a credential; None: the keys are to be fetched first, and then `judge_at_last`.

        Args:
            value: An Authorization header's value as it came, or a bare credential.
            required_scopes: Scopes that it must have, all of them.

        Raises:
            ValueError: One of the scopes is none.
        """
        scopes = _checked(required_scopes)
        now = self._clock()
        token = read_credential(value)
        if token is None:
            return Ask(scopes)
        if isinstance(token, Denial):
            return _verdict(token, now)
        return self._judge_token(token.text, scopes, now)

    def judge_at_last(self, value: str, required_scopes: Collection[str]) -> Verdict | Ask:
        """Judge a credential after an attempt to fetch the keys, be it good or bad."""
        answer = self.judge(value, required_scopes)
        return Ask(_checked(required_scopes)) if answer is None else answer

    def settle(self, ask: Ask, verdict: Verdict) -> Verdict:
        """Return the verdict after the service's answer to what it was asked."""
        if ask.about is None:
            return verdict
        outcome = verdict.outcome
        if ask.place is not None and (
            isinstance(outcome, Principal) or outcome.reason in _KEPT_DENIALS
        ):
            with self._lock:
                # Another call may have asked later, and been answered first.
                if ask.place >= ask.about.place:
                    ask.about.answer, ask.about.place = outcome, ask.place
        return Verdict(_with_scopes(outcome, ask.required_scopes), verdict.freshness)

    def _judge_token(
        self, token: str, scopes: tuple[str, ...], now: datetime
    ) -> Verdict | Ask | None:
        try:
            found = self._verify(token, now)
        except Malformed:
            if self._other_issuers and self._names_another_issuer(token):
                return Ask(scopes)
            return _verdict(_denials.TOKEN_INVALID, now)
        if isinstance(found, Missing):
            # Nothing is known of this token, so that nothing about it will be kept.
            return None if found is Missing.FETCH else Ask(scopes)
        if self._rules.has_expired(found.claims, now):
            return _verdict(_denials.TOKEN_EXPIRED, now)
        with self._lock:
            return self._judge_genuine(found, scopes, now)

    def _judge_genuine(
        self, found: _Remembered, scopes: tuple[str, ...], now: datetime
    ) -> Verdict | Ask:
        told, claims = self._revocations, found.claims
        as_of = told.as_of
        if told.has_ended(claims):
            return _verdict(_denials.TOKEN_REVOKED, as_of or now)
        if as_of is None:
            # What is known may count no more, but the answer is not to be older than that.
            return Ask(scopes, told.demand(claims) or None, found)
        if found.answer is not None and told.still_holds(claims, found.place):
            return _verdict(_with_scopes(found.answer, scopes), as_of)
        if told.speaks_for(claims):
            return _verdict(_with_scopes(claims.principal(), scopes), as_of)
        return Ask(scopes, told.revision or None, found, told.place)

    def _verify(self, token: str, now: datetime) -> _Remembered | Missing:
        """Return what a genuine token says, or why that cannot be told.

        Raises:
            Malformed: It is not genuine, or not meant for us.
        """
        digest = hashlib.sha256(token.encode("ascii")).digest()
        found = self._recall(digest)
        if found is not None:
            return found
        header = read_header(token)
        key = self._keys.find(header.kid, header.algorithm)
        if key is Missing.UNKNOWN:
            raise Malformed("kid")
        if isinstance(key, Missing):
            return key
        if header.algorithm != key.algorithm:
            raise Malformed("alg")
        found = _Remembered(key, self._read_claims(token, key, now))
        if not self._rules.has_expired(found.claims, now):
            with self._lock:
                self._remembered[digest] = found
                if len(self._remembered) > self._most_remembered:
                    self._remembered.popitem(last=False)
        return found

    def _recall(self, digest: bytes) -> _Remembered | None:
        """Return what was found out about a token before, if its key is still in use."""
        with self._lock:
            found = self._remembered.get(digest)
            if found is None:
                return None
            # A signature that was good with a key stays good with that key.
            if self._keys.find(found.key.source.kid, found.key.algorithm) is not found.key:
                return None
            self._remembered.move_to_end(digest)
            return found

    def _names_another_issuer(self, token: str) -> bool:
        """Tell what an unverified token says, which decides no more than who judges it."""
        try:
            issuer = read_json(decode_segment(token.split(".")[1])).get("iss")
        except Malformed:
            return False
        return isinstance(issuer, str) and issuer != self._rules.issuer

    def _read_claims(self, token: str, key: PublicKey, now: datetime) -> Claims:
        _head, body, signature = token.split(".")
        decode_segment(signature)
        payload = key.payload_of(token)
        if payload is None:
            raise Malformed("signature")
        decode_segment(body)
        claims = self._rules.read(read_json(payload), now)
        if claims is None:
            raise Malformed("claims")
        return claims


def utc_now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


def _checked(required_scopes: Collection[str]) -> tuple[str, ...]:
    for scope in required_scopes:
        # A wildcard covers every text, so what is no scope must not get that far.
        if not isinstance(scope, str) or not is_scope(scope):
            raise ValueError("required_scopes holds something that is no scope")
    return tuple(required_scopes)


def _with_scopes(outcome: Principal | Denial, required: tuple[str, ...]) -> Principal | Denial:
    if isinstance(outcome, Principal) and required:
        granted = frozenset(outcome.scopes)
        if not all(covers(granted, scope) for scope in required):
            return _denials.insufficient_scope(required)
    return outcome


def _verdict(outcome: Principal | Denial, as_of: datetime) -> Verdict:
    return Verdict(outcome, Freshness(FreshnessSource.CACHE, as_of))
