"""One credential to one verdict: parse, look up, judge.

The common path of `ValidateCredential` and of the authentication of this service's own callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from authsvc.domain.access_tokens import TokenVerification
from authsvc.domain.accounts import Account
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.credentials import KeyCredential, parse_credential
from authsvc.domain.denials import DENIALS, Denial, DenialReason
from authsvc.domain.freshness import Freshness, FreshnessSource
from authsvc.domain.judgement import judge_key, judge_token
from authsvc.domain.keys import KeyRecord
from authsvc.domain.principals import Principal


class KeyRecords(Protocol):
    """Where key records are read."""

    async def find_key_record(self, digest: bytes, deadline: Deadline) -> KeyRecord | None:
        """Return the record of the key with this digest, or None when there is no such key.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class Accounts(Protocol):
    """Where accounts are read."""

    async def find_account(self, account_id: str, deadline: Deadline) -> Account | None:
        """Return the account, or None when there is no such account.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class TokenVerifier(Protocol):
    """Verifies the signature and the claims of access tokens."""

    async def verify(self, token: str, *, fresh: bool, deadline: Deadline) -> TokenVerification:
        """Verify a token.

        Args:
            token: What has the form of a JWT.
            fresh: Read the signing keys anew.
            deadline: How long it may take.

        Raises:
            DatabaseUnavailable: The signing keys could not be read before the deadline.
        """
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer about one credential, and how old it is."""

    outcome: Principal | Denial
    freshness: Freshness


class JudgeCredential:
    """Judges credentials against the present records."""

    def __init__(
        self, *, keys: KeyRecords, accounts: Accounts, tokens: TokenVerifier, clock: Clock
    ) -> None:
        """Take the ports it reads through."""
        self._keys = keys
        self._accounts = accounts
        self._tokens = tokens
        self._clock = clock

    async def __call__(
        self,
        value: str,
        *,
        required_scopes: Sequence[str] = (),
        fresh: bool = False,
        deadline: Deadline,
    ) -> Verdict:
        """Judge a credential.

        Args:
            value: An Authorization header's value as it came, or a bare credential.
            required_scopes: Well-formed scopes, all of which it must have.
            fresh: Rest the verdict on nothing that was read before this call.
            deadline: How long it may take.

        Raises:
            DatabaseUnavailable: The records could not be read before the deadline.
        """
        as_of = self._clock()
        credential = parse_credential(value)
        if isinstance(credential, DenialReason):
            return Verdict(DENIALS[credential], Freshness(FreshnessSource.DATABASE, as_of))
        if isinstance(credential, KeyCredential):
            record = await self._keys.find_key_record(credential.digest, deadline)
            outcome = (
                DENIALS[DenialReason.KEY_NOT_FOUND]
                if record is None
                else judge_key(record, required_scopes, self._clock())
            )
            return Verdict(outcome, Freshness(FreshnessSource.DATABASE, as_of))
        verification = await self._tokens.verify(credential.token, fresh=fresh, deadline=deadline)
        if isinstance(verification.outcome, DenialReason):
            return Verdict(DENIALS[verification.outcome], verification.freshness)
        claims = verification.outcome
        account = await self._accounts.find_account(claims.account_id, deadline)
        outcome = (
            DENIALS[DenialReason.TOKEN_INVALID]
            if account is None
            else judge_token(claims, account, required_scopes)
        )
        return Verdict(outcome, verification.freshness)
