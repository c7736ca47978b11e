"""An ExplainCredential on stores in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime

from authsvc.domain.accounts import AccountState
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.findings import FindingCode
from authsvc.domain.keys import Key, OwnedKey
from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.scopes import VALIDATE
from authsvc.domain.sessions import SessionRecord
from authsvc.domain.users import UserRecord
from authsvc.rate_limits.in_process import InProcessLimits
from authsvc.tokens.token_findings import AccessTokenExaminer
from authsvc.tokens.verifier import AccessTokenVerifier
from authsvc.usecases.explain_credential import ExplainCredential, Explanation
from authsvc.usecases.explain_token import ExplainToken
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.question import Question
from authsvc.usecases.rate_limits import OnlyRead, ReadableLimits
from tests.unit.examples import ACCOUNT_ID, KEY_ID, NOW, SECOND, a_system_caller, an_account
from tests.unit.forging import RULES, SEALER, Issuer, KeysInMemory, Watch, a_keyring
from tests.unit.judges import a_judge, some_records
from tests.unit.stores import KnownKeysInMemory, SessionRecords, UserRecords, a_call

SECRET = "orch_" + "1a2b3c4d5e" * 4
BARE = SECRET.removeprefix("orch_")
UPPER = f"orch_{BARE.upper()}"
UNKNOWN = "orch_" + "abcdef0123" * 4
ADDRESS = "192.0.2.1"
NO_USE = "Mending its form alone will not help."


def a_key(
    *,
    scopes: tuple[str, ...] = ("*",),
    expire_time: datetime | None = None,
    disabled: bool = False,
    revoke_time: datetime | None = None,
    account_state: AccountState = AccountState.ACTIVE,
    allowed_addresses: tuple[str, ...] = (),
    rate_limit: RateLimit | None = None,
) -> OwnedKey:
    key = Key(
        key_id=KEY_ID,
        account_id=ACCOUNT_ID,
        name="ci",
        scopes=scopes,
        hint="orch_1a2b\u20264d5e",
        create_time=NOW,
        expire_time=expire_time,
        metadata={},
        revision=1,
        disabled=disabled,
        revoke_time=revoke_time,
        allowed_addresses=allowed_addresses,
        rate_limit=rate_limit,
    )
    return OwnedKey(key, an_account(ACCOUNT_ID, state=account_state))


FAULTY = [
    (a_key(revoke_time=NOW), [FindingCode.KEY_REVOKED]),
    (a_key(disabled=True), [FindingCode.KEY_DISABLED]),
    (a_key(expire_time=NOW), [FindingCode.KEY_EXPIRED]),
    (a_key(account_state=AccountState.DISABLED), [FindingCode.ACCOUNT_DISABLED]),
    (a_key(allowed_addresses=("192.0.2.9",)), [FindingCode.ADDRESS_MISSING]),
    (
        a_key(disabled=True, expire_time=NOW - SECOND),
        [FindingCode.KEY_DISABLED, FindingCode.KEY_EXPIRED],
    ),
]
"""Keys with all that is found of each."""


def reason_of(explanation: Explanation) -> DenialReason:
    """Return why the credential is denied."""
    assert isinstance(explanation.verdict.outcome, Denial)
    return explanation.verdict.outcome.reason


@dataclasses.dataclass
class Explaining:
    """The use case, and what it counts in."""

    explain: ExplainCredential
    failures: FailureLimit

    async def __call__(self, value: str, *scopes: str, address: str = "") -> Explanation:
        question = Question(value, scopes, client_address=address)
        return await self.explain(question, a_call(a_system_caller(VALIDATE)))

    def is_limited(self) -> bool:
        return self.failures.wait_for(ADDRESS) is not None


def explaining(
    known: OwnedKey | None = None,
    *issuers: Issuer,
    keys: Mapping[str, OwnedKey] | None = None,
    users: Sequence[UserRecord] = (),
    sessions: Sequence[SessionRecord] = (),
    failures_per_minute: int = 1000,
    limits: ReadableLimits | None = None,
) -> Explaining:
    """Return a use case that knows a key as SECRET, and the signing keys of these issuers."""
    stored = KnownKeysInMemory(keys if keys is not None else {SECRET: known or a_key()})
    keyring = a_keyring(KeysInMemory(*(one.sealed_by(SEALER) for one in issuers)), Watch())
    failures = FailureLimit(failures_per_minute=failures_per_minute, monotonic=lambda: 0.0)
    verifier = AccessTokenVerifier(keyring=keyring, rules=RULES, remembered=10, clock=lambda: NOW)
    people, logins = UserRecords(*users), SessionRecords(*sessions)
    judge = a_judge(
        some_records(keys=stored, users=people, sessions=logins),
        verifier,
        failures=failures,
        limits=OnlyRead(limits or InProcessLimits(capacity=10, monotonic=lambda: 0.0)),
    )
    examiner = AccessTokenExaminer(keyring=keyring, rules=RULES, clock=lambda: NOW)
    explain = ExplainCredential(
        judge=judge,
        keys=stored,
        explain_token=ExplainToken(users=people, sessions=logins, tokens=examiner),
        clock=lambda: NOW,
    )
    return Explaining(explain, failures)


def codes_of(explanation: Explanation) -> list[FindingCode]:
    return [finding.code for finding in explanation.findings]
