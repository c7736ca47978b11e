"""Many credentials to as many verdicts, with one read for all that memory does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from authsvc.domain.access_tokens import TokenVerification
from authsvc.domain.accounts import Account
from authsvc.domain.clock import Deadline
from authsvc.domain.credentials import TokenCredential, parse_credential
from authsvc.domain.denials import DenialReason
from authsvc.domain.freshness import NO_DEMAND, FreshnessDemand
from authsvc.domain.keys import KeyRecord
from authsvc.usecases.fresh_lookup import Found, FreshLookup
from authsvc.usecases.judge_credential import (
    JudgeCredential,
    Question,
    TokenVerifier,
    Unsettled,
    Verdict,
)


class JudgeBatch:
    """Judges many credentials at once."""

    def __init__(
        self,
        *,
        judge: JudgeCredential,
        keys: FreshLookup[bytes, KeyRecord],
        accounts: FreshLookup[str, Account],
        tokens: TokenVerifier,
    ) -> None:
        """Take the judge of each, and what the judge looks records up in."""
        self._judge = judge
        self._keys = keys
        self._accounts = accounts
        self._tokens = tokens

    def now(self, questions: Sequence[Question]) -> list[Verdict | Unsettled]:
        """Judge by what is in memory; what that cannot settle stays open, in its place."""
        # One moment for all of them, which is what makes a batch cheaper than single calls.
        freshness = self._keys.freshness_for(NO_DEMAND)
        judge, judge_now = self._judge.now, self._judge.judge_now
        answers: list[Verdict | Unsettled] = []
        for question in questions:
            credential = parse_credential(question.value)
            outcome = None
            if isinstance(credential, bytes) and question.demand is NO_DEMAND and freshness:
                outcome = judge_now(credential, question)
            answers.append(
                judge(question)
                if outcome is None or freshness is None
                else Verdict(outcome, freshness)
            )
        return answers

    async def settle(
        self, answers: Sequence[Verdict | Unsettled], deadline: Deadline
    ) -> list[Verdict]:
        """Judge what memory could not.

        Returns:
            One verdict for each answer, in the same order.

        Raises:
            DatabaseUnavailable: Some record could not be read before the deadline.
            TooManyLookups: Too many records are being read already.
            RevisionNotReached: The database does not have a revision that is demanded.
        """
        unsettled = [answer for answer in answers if isinstance(answer, Unsettled)]
        # A read that begins now meets every demand; where there is one, memory does not.
        missing: set[bytes] = set()
        demand = NO_DEMAND
        revision = 0
        for credential, question in unsettled:
            revision = max(revision, question.demand.at_least_revision or 0)
            demand = demand if question.demand == NO_DEMAND else question.demand
            if isinstance(credential, bytes):
                missing.add(credential)
        await self._judge.require_revision(revision, deadline)
        found = await self._keys.read_all(list(missing), deadline, demand) if missing else {}
        verifications = await self._verify(unsettled, deadline)
        accounts = await self._find_accounts(verifications, deadline, demand)

        def settled(answer: Unsettled) -> Verdict:
            credential, question = answer
            if isinstance(credential, bytes):
                record, freshness = found[credential]
                return Verdict(self._judge.judge_record(record, question), freshness)
            verification = verifications[credential.token]
            return self._judge.judge_verified(verification, accounts, question)

        return [answer if isinstance(answer, Verdict) else settled(answer) for answer in answers]

    async def _verify(
        self, unsettled: Sequence[Unsettled], deadline: Deadline
    ) -> dict[str, TokenVerification]:
        """Verify the tokens among what is unsettled, each once."""
        verifications: dict[str, TokenVerification] = {}
        demand_met = False
        # A token that comes with several demands is verified under the strongest of them.
        for credential, question in sorted(unsettled, key=_is_undemanding):
            if isinstance(credential, TokenCredential) and credential.token not in verifications:
                # Others get their turn between two signatures; and signing keys that were read
                # for one token of this call are fresh enough for the next.
                await asyncio.sleep(0)
                demand = NO_DEMAND if demand_met else question.demand
                verifications[credential.token] = await self._tokens.verify(
                    credential.token, demand, deadline
                )
                demand_met = demand_met or demand != NO_DEMAND
        return verifications

    async def _find_accounts(
        self,
        verifications: Mapping[str, TokenVerification],
        deadline: Deadline,
        demand: FreshnessDemand,
    ) -> dict[str, Found[Account]]:
        """Look up the accounts that tokens name, with one read for those not in memory."""
        found: dict[str, Found[Account]] = {}
        missing: set[str] = set()
        for verification in verifications.values():
            if isinstance(verification.outcome, DenialReason):
                continue
            account_id = verification.outcome.account_id
            # Of several demands this is but one, so memory is asked only where there is none.
            in_memory = self._accounts.find_now(account_id) if demand == NO_DEMAND else None
            if in_memory is None:
                missing.add(account_id)
            else:
                found[account_id] = in_memory
        if missing:
            found |= await self._accounts.read_all(list(missing), deadline, demand)
        return found


def settled(answers: Sequence[Verdict | Unsettled]) -> list[Verdict] | None:
    """Return the verdicts, or None when some answer is no verdict yet."""
    verdicts = [answer for answer in answers if isinstance(answer, Verdict)]
    return verdicts if len(verdicts) == len(answers) else None


def _is_undemanding(unsettled: Unsettled) -> bool:
    return unsettled.question.demand == NO_DEMAND
