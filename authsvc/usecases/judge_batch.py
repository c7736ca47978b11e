"""Many credentials to as many verdicts, with one read for all that memory does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple, TypeVar

from authsvc.domain.access_tokens import TokenVerification
from authsvc.domain.accounts import Account
from authsvc.domain.clock import Deadline
from authsvc.domain.credentials import KeyDigest, TokenCredential, parse_credential
from authsvc.domain.denials import DenialReason
from authsvc.domain.errors import IssuerUnavailable
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand
from authsvc.domain.keys import KeyRecord
from authsvc.domain.sessions import SessionRecord
from authsvc.domain.users import UserRecord
from authsvc.usecases.fresh_lookup import Found, FreshLookup
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.judge_token import JudgeToken, TokenRecords, TokenVerifier
from authsvc.usecases.question import Question, Unsettled, Verdict

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


# Of the time that a batch has left, this much is for issuers that do not answer.
_SHARE_OF_ISSUERS: Final = 0.5


class Undecided(NamedTuple):
    """What stands in the place of a verdict that nobody can give."""

    cause: IssuerUnavailable


class JudgeBatch:
    """Judges many credentials at once."""

    def __init__(
        self,
        *,
        judge: JudgeCredential,
        judge_token: JudgeToken,
        keys: FreshLookup[bytes, KeyRecord],
        accounts: FreshLookup[str, Account],
        users: FreshLookup[str, UserRecord],
        sessions: FreshLookup[str, SessionRecord],
        tokens: TokenVerifier,
    ) -> None:
        """Take the judges of each, and what they look records up in."""
        self._judge = judge
        self._judge_token = judge_token
        self._keys = keys
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._tokens = tokens

    def now(self, questions: Sequence[Question]) -> list[Verdict | Unsettled]:
        """Judge by what is in memory; what that cannot settle stays open, in its place.

        Where anything has to be read, no key is judged yet: the read may fail, and then nothing is
        taken from limits or counted for verdicts that nobody gets.
        """
        # One moment for all of them, which is what makes a batch cheaper than single calls.
        freshness = self._keys.freshness_for(NO_DEMAND)
        judge, judge_now = self._judge.now, self._judge.judge_now
        answers: dict[int, Verdict | Unsettled] = {}
        known: list[tuple[int, KeyDigest, Freshness]] = []
        is_open = False
        for index, question in enumerate(questions):
            credential = parse_credential(question.value)
            if isinstance(credential, bytes):
                demand = question.demand
                fresh = freshness if demand is NO_DEMAND else self._keys.freshness_for(demand)
                if fresh is not None and (
                    self._keys.knows(credential) or self._keys.knows_absent(credential)
                ):
                    known.append((index, credential, fresh))
                    continue
            answers[index] = answer = judge(question)
            is_open = is_open or isinstance(answer, Unsettled)
        for index, credential, fresh in known:
            question = questions[index]
            # None for a limit that is kept elsewhere.
            outcome = None if is_open else judge_now(credential, question)
            answers[index] = (
                # Memory meets the demand, so nothing is left to be demanded of a read.
                Unsettled(credential, question._replace(demand=NO_DEMAND))
                if outcome is None
                else Verdict(outcome, fresh)
            )
        return [answers[index] for index in range(len(questions))]

    async def settle(
        self, answers: Sequence[Verdict | Unsettled], deadline: Deadline
    ) -> list[Verdict | Undecided]:
        """Judge what memory could not.

        Returns:
            One verdict for each answer, in the same order. A token whose issuer's keys could not be
            fetched stays undecided: whoever forged it must not spoil the verdicts on the others.

        Raises:
            DatabaseUnavailable: Some record could not be read before the deadline.
            TooManyLookups: Too many records are being read already.
            RevisionNotReached: The database does not have a revision that is demanded.
        """
        unsettled = [answer for answer in answers if isinstance(answer, Unsettled)]
        # A read that begins now meets every demand; where there is one, memory does not.
        demand = NO_DEMAND
        revision = 0
        for _, question in unsettled:
            revision = max(revision, question.demand.at_least_revision or 0)
            demand = demand if question.demand == NO_DEMAND else question.demand
        await self._judge.require_revision(revision, deadline)
        keys = {credential for credential, _ in unsettled if isinstance(credential, bytes)}
        # A key may be unsettled for its limit alone, which is no reason to read it anew.
        demanded = {credential for credential, q in unsettled if q.demand != NO_DEMAND}
        found = await _find(self._keys, keys, keys - demanded, deadline, demand)
        verifications = await self._verify(unsettled, deadline)
        claims = [
            verification.outcome
            for verification in verifications.values()
            if isinstance(verification, TokenVerification)
            and not isinstance(verification.outcome, DenialReason)
        ]

        async def find(
            lookup: FreshLookup[str, V], wanted: AbstractSet[str]
        ) -> dict[str, Found[V]]:
            # Of several demands this is but one, so memory is asked only where there is none.
            recallable = wanted if demand == NO_DEMAND else frozenset[str]()
            return await _find(lookup, wanted, recallable, deadline, demand)

        accounts = await find(self._accounts, {c.account_id for c in claims})
        users = await find(self._users, {c.user_id for c in claims} - {""})
        sessions = await find(self._sessions, {c.known_session_id for c in claims} - {""})

        def judge_verified(
            verification: TokenVerification | Undecided, question: Question
        ) -> Verdict | Undecided:
            if isinstance(verification, Undecided):
                return verification
            outcome, freshness = verification.outcome, verification.freshness
            if isinstance(outcome, DenialReason):
                return self._judge_token.deny(outcome, freshness, question)
            records = TokenRecords(
                accounts[outcome.account_id],
                users.get(outcome.user_id),
                sessions.get(outcome.known_session_id),
            )
            return self._judge_token.judge(outcome, freshness, records, question)

        settled: dict[int, Verdict | Undecided] = {**await self._judge_keys(answers, found)}
        for index, answer in enumerate(answers):
            if isinstance(answer, Verdict):
                settled[index] = answer
            elif isinstance(answer.credential, TokenCredential):
                verification = verifications[answer.credential.token]
                settled[index] = judge_verified(verification, answer.question)
        return [settled[index] for index in range(len(answers))]

    async def _judge_keys(
        self, answers: Sequence[Verdict | Unsettled], found: Mapping[bytes, Found[KeyRecord]]
    ) -> dict[int, Verdict]:
        """Judge the keys among what is unsettled; return the verdicts by their places."""
        judged: dict[int, Verdict] = {}
        limited: dict[int, tuple[KeyRecord, Question, Freshness]] = {}
        for index, answer in enumerate(answers):
            if isinstance(answer, Verdict) or isinstance(answer.credential, TokenCredential):
                continue
            record, freshness = found[answer.credential]
            if record is None:
                judged[index] = Verdict(self._judge.judge_absent(answer.question), freshness)
                continue
            outcome = self._judge.judge_record(record, answer.question)
            if outcome is None:
                limited[index] = record, answer.question, freshness
            else:
                judged[index] = Verdict(outcome, freshness)
        if limited:
            # All at once: they would wait for the same store one after the other.
            outcomes = await self._judge.take(
                [(r, question) for r, question, _ in limited.values()]
            )
            for (index, (*_, freshness)), outcome in zip(limited.items(), outcomes, strict=True):
                judged[index] = Verdict(outcome, freshness)
        return judged

    async def _verify(
        self, unsettled: Sequence[Unsettled], deadline: Deadline
    ) -> dict[str, TokenVerification | Undecided]:
        """Verify the tokens among what is unsettled, each once."""
        verifications: dict[str, TokenVerification | Undecided] = {}
        demand_met = False
        # An issuer that hangs must leave time to read the records of the other credentials.
        deadline = _EarlierDeadline(deadline, _SHARE_OF_ISSUERS)
        # A token that comes with several demands is verified under the strongest of them.
        for credential, question in sorted(unsettled, key=_is_undemanding):
            if isinstance(credential, TokenCredential) and credential.token not in verifications:
                # Others get their turn between two signatures; and signing keys that were read
                # for one token of this call are fresh enough for the next.
                await asyncio.sleep(0)
                demand = NO_DEMAND if demand_met else question.demand
                try:
                    verification = await self._tokens.verify(credential.token, demand, deadline)
                except IssuerUnavailable as error:
                    verifications[credential.token] = Undecided(error)
                    continue
                verifications[credential.token] = verification
                # Not by a token that is malformed, or of another issuer: no key was read for it.
                demand_met = demand_met or verification.met_demand
        return verifications


class _EarlierDeadline:
    """A deadline that leaves a share of what a later one has left now, and keeps the rest back."""

    __slots__ = ("_kept_back", "_later")

    def __init__(self, later: Deadline, share: float) -> None:
        self._later = later
        self._kept_back = max(0.0, later.remaining() * (1 - share))

    def remaining(self) -> float:
        return self._later.remaining() - self._kept_back


async def _find(
    lookup: FreshLookup[K, V],
    wanted: AbstractSet[K],
    recallable: AbstractSet[K],
    deadline: Deadline,
    demand: FreshnessDemand,
) -> dict[K, Found[V]]:
    """Look records up, with one read for what is not in memory.

    Args:
        lookup: Where.
        wanted: What is looked for.
        recallable: Those of them that memory may answer for.
        deadline: How long the read may take.
        demand: How fresh what is read must be.
    """
    recalled = {key: lookup.find_now(key) for key in recallable}
    found = {key: one for key, one in recalled.items() if one is not None}
    missing = [key for key in wanted if key not in found]
    if missing:
        found |= await lookup.read_all(missing, deadline, demand)
    return found


def settled(answers: Sequence[Verdict | Unsettled]) -> list[Verdict] | None:
    """Return the verdicts, or None when some answer is no verdict yet."""
    verdicts = [answer for answer in answers if isinstance(answer, Verdict)]
    return verdicts if len(verdicts) == len(answers) else None


def _is_undemanding(unsettled: Unsettled) -> bool:
    return unsettled.question.demand == NO_DEMAND
