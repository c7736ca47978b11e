"""CreateKey: what it checks, in which order, and what it keeps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from authsvc.domain.answers import KeptAnswer
from authsvc.domain.audit import AuditRecord
from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import (
    AccountIsDisabled,
    AccountNotFound,
    AuthsvcError,
    CallerNotPermitted,
    InvalidRequest,
    ScopeNotGrantable,
)
from authsvc.domain.keys import Key, OwnedKey
from authsvc.domain.origin import Origin
from authsvc.domain.rate_limits import RateLimit
from authsvc.tokens.answer_sealing import AnswerSealer
from authsvc.usecases.answered_requests import AnsweredRequests
from authsvc.usecases.create_key import CreateKey, CreateKeyCommand
from authsvc.usecases.issue_key import IssuedKey, IssueKey
from tests.unit.examples import (
    ACCOUNT_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    SYSTEM_ACCOUNT_ID,
    a_caller,
)
from tests.unit.stores import (
    DISABLED_ACCOUNT_ID,
    KEYS,
    MISSING_ACCOUNT_ID,
    OWNER,
    Keys,
    a_call,
    some_accounts,
)


class NoAnswers:
    """A store without answers."""

    async def find_answer(self, digest: bytes, deadline: Deadline) -> KeptAnswer | None:
        assert digest
        assert deadline
        return None

    async def find_key(self, key_id: str, deadline: Deadline) -> OwnedKey | None:
        raise AssertionError(key_id, deadline)

    async def append(self, record: AuditRecord, deadline: Deadline) -> None:
        raise AssertionError(record, deadline)

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    async def insert_key_once(
        self,
        key: Key,
        digest: bytes,
        *,
        answer: KeptAnswer | None,
        origin: Origin,
        deadline: Deadline,
    ) -> Key | None:
        assert answer is None
        return await self.keys.insert_key(key, digest, origin, deadline)


async def _create(caller: Caller, command: CreateKeyCommand, keys: Keys | None = None) -> IssuedKey:
    keys = keys or Keys()
    issue_key = IssueKey(
        store=keys,
        clock=lambda: NOW,
        new_id=lambda prefix: f"{prefix}_{'0' * 26}",
        random_bytes=bytes,
    )
    answers = NoAnswers(keys)
    create_key = CreateKey(
        accounts=some_accounts(),
        issue_key=issue_key,
        clock=lambda: NOW,
        answered=AnsweredRequests(
            store=answers,
            keys=answers,
            sealer=AnswerSealer(bytes(32), bytes),
            audit=answers,
            window=timedelta(hours=1),
            clock=lambda: NOW,
        ),
        store=answers,
    )
    return await create_key(command, a_call(caller))


GOOD = CreateKeyCommand(name="ci", account_id=ACCOUNT_ID)
BAD = CreateKeyCommand(
    name="",
    account_id="x",
    scopes=("BAD",),
    ttl=timedelta(0),
    request_id="r",
    allowed_addresses=("192.0.2.7", "x"),
    rate_limit=RateLimit(0, timedelta(0)),
)


@pytest.mark.parametrize(
    ("caller", "command", "error"),
    [
        pytest.param(a_caller(), BAD, CallerNotPermitted, id="rights before the request"),
        pytest.param(OWNER, BAD, InvalidRequest, id="the request before the account"),
        pytest.param(
            KEYS, CreateKeyCommand("ci", MISSING_ACCOUNT_ID), AccountNotFound, id="no account"
        ),
        pytest.param(
            KEYS, CreateKeyCommand("ci"), InvalidRequest, id="a system caller names no account"
        ),
        pytest.param(
            OWNER, CreateKeyCommand("ci", OTHER_ACCOUNT_ID), AccountNotFound, id="not one's own"
        ),
        pytest.param(
            KEYS, CreateKeyCommand("ci", SYSTEM_ACCOUNT_ID), AccountNotFound, id="the system's"
        ),
        pytest.param(
            OWNER,
            CreateKeyCommand("ci", DISABLED_ACCOUNT_ID),
            AccountNotFound,
            id="another's, disabled, is as unknown as any",
        ),
        pytest.param(
            KEYS,
            CreateKeyCommand("ci", DISABLED_ACCOUNT_ID, ("authsvc:admin",)),
            AccountIsDisabled,
            id="disabled before scopes",
        ),
        pytest.param(
            OWNER,
            CreateKeyCommand("ci", scopes=("authsvc:validate",)),
            ScopeNotGrantable,
            id="reserved scope",
        ),
        pytest.param(
            a_caller("keys:*"), CreateKeyCommand("ci"), ScopeNotGrantable, id="* by default"
        ),
    ],
)
async def test_a_key_is_refused_for_the_first_of_its_reasons(
    caller: Caller, command: CreateKeyCommand, error: type[AuthsvcError]
) -> None:
    with pytest.raises(error):
        await _create(caller, command)


async def test_every_violation_of_a_command_is_told() -> None:
    with pytest.raises(InvalidRequest) as caught:
        await _create(OWNER, BAD)

    assert [violation.field for violation in caught.value.violations] == [
        "account_id",
        "name",
        "scopes[0]",
        "ttl",
        "request_id",
        "allowed_addresses[1]",
        "rate_limit.requests",
        "rate_limit.period",
    ]


async def test_a_refused_key_is_not_kept() -> None:
    keys = Keys()
    with pytest.raises(ScopeNotGrantable):
        await _create(a_caller("keys:*"), GOOD, keys)

    assert keys.inserted == []


async def test_a_key_without_scopes_may_do_everything() -> None:
    assert (await _create(OWNER, CreateKeyCommand("ci"))).key.scopes == ("*",)


async def test_scopes_are_kept_once_and_in_order() -> None:
    issued = await _create(OWNER, CreateKeyCommand("ci", scopes=("b", "a", "b")))

    assert issued.key.scopes == ("a", "b")


async def test_addresses_are_kept_in_their_one_text_with_the_limit() -> None:
    limit = RateLimit(100, timedelta(minutes=1))
    rules = ("2001:DB8::/32", "::ffff:192.0.2.7", "192.0.2.7/32")

    issued = await _create(OWNER, CreateKeyCommand("ci", allowed_addresses=rules, rate_limit=limit))

    assert issued.key.allowed_addresses == ("192.0.2.7", "2001:db8::/32")
    assert issued.key.rate_limit == limit


async def test_a_lifetime_counts_from_now() -> None:
    issued = await _create(OWNER, CreateKeyCommand("ci", ttl=timedelta(days=1)))

    assert issued.key.expire_time == NOW + timedelta(days=1)


async def test_a_key_is_kept_as_the_digest_of_its_secret() -> None:
    keys = Keys()

    issued = await _create(OWNER, GOOD, keys)

    assert keys.inserted == [(issued.key, issued.secret.digest())]
