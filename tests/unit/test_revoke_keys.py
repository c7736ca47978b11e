"""RevokeKeys: whose keys are ended, in which order, and what is left when time is up."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from authsvc.domain.audit import AuditRecord, Target, TargetKind
from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import (
    AccountNotFound,
    AuthsvcError,
    CallerNotPermitted,
    DatabaseUnavailable,
    InvalidRequest,
)
from authsvc.domain.key_revocation import Revocation, RevokedChunk
from authsvc.domain.keys import RevocationReason
from authsvc.usecases.revoke_keys import CHUNK, RevokedKeys, RevokeKeys, RevokeKeysCommand
from tests.unit.examples import (
    ACCOUNT_ID,
    KEY_ID,
    NOW,
    ORIGIN,
    OTHER_ACCOUNT_ID,
    SYSTEM_ACCOUNT_ID,
    a_caller,
)
from tests.unit.stores import ADMIN, KEYS, OWNER, a_call, some_accounts


def key_ids(count: int, first: int = 2) -> list[str]:
    """Return ids that sort after that of the key that calls."""
    return [f"key_{number:026d}" for number in range(first, first + count)]


class KeysOfAccount:
    """Live keys in memory; time is up after some chunks."""

    def __init__(self, *live: str, chunks_in_time: int | None = None) -> None:
        self.live = sorted(live)
        self.ended: list[str] = []
        self.revocations: list[Revocation] = []
        self.chunks_left = chunks_in_time

    async def find_key_ids(
        self, account_id: str, key_ids: Collection[str], deadline: Deadline
    ) -> frozenset[str]:
        assert account_id
        assert deadline
        return frozenset(key_ids) & frozenset([*self.live, *self.ended])

    async def revoke_keys(
        self, revocation: Revocation, *, after_key_id: str, limit: int, deadline: Deadline
    ) -> RevokedChunk:
        assert deadline
        if self.chunks_left is not None:
            if not self.chunks_left:
                raise DatabaseUnavailable
            self.chunks_left -= 1
        self.revocations.append(revocation)
        meant = [key for key in self.live if key > after_key_id]
        chunk = [key for key in meant if key not in revocation.except_key_ids][:limit]
        self.live = [key for key in self.live if key not in chunk]
        self.ended += chunk
        return RevokedChunk(len(chunk), chunk[-1] if chunk else "", len(self.ended) if chunk else 0)


class AuditLog:
    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    async def append(self, record: AuditRecord, deadline: Deadline) -> None:
        assert deadline
        self.records.append(record)


async def revoke(
    caller: Caller,
    store: KeysOfAccount,
    command: RevokeKeysCommand | None = None,
    audit: AuditLog | None = None,
) -> RevokedKeys:
    use_case = RevokeKeys(
        accounts=some_accounts(), store=store, audit=audit or AuditLog(), clock=lambda: NOW
    )
    return await use_case(command or RevokeKeysCommand(), a_call(caller))


async def test_every_live_key_is_ended_and_counted() -> None:
    store = KeysOfAccount(*key_ids(3))

    revoked = await revoke(OWNER, store)

    assert store.live == []
    assert (revoked.count, revoked.revision) == (3, 3)


@pytest.mark.parametrize("count", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
async def test_any_number_of_keys_is_ended(count: int) -> None:
    store = KeysOfAccount(*key_ids(count))

    revoked = await revoke(OWNER, store)

    assert (revoked.count, store.live) == (count, [])


async def test_each_key_gets_reason_note_time_and_origin() -> None:
    store = KeysOfAccount(*key_ids(1))

    await revoke(
        OWNER, store, RevokeKeysCommand(reason=RevocationReason.COMPROMISED, note="incident")
    )

    [revocation, *_] = store.revocations
    assert revocation.account_id == ACCOUNT_ID
    assert (revocation.reason, revocation.note) == (RevocationReason.COMPROMISED, "incident")
    assert (revocation.revoke_time, revocation.origin) == (NOW, ORIGIN)


async def test_the_key_that_calls_is_the_last_to_end() -> None:
    store = KeysOfAccount(KEY_ID, *key_ids(CHUNK + 1))

    await revoke(OWNER, store)

    assert store.live == []
    assert store.ended[-1] == KEY_ID


async def test_excepted_keys_are_left_alone() -> None:
    spared = key_ids(2)
    store = KeysOfAccount(KEY_ID, *key_ids(5))

    await revoke(OWNER, store, RevokeKeysCommand(except_key_ids=(KEY_ID, *spared)))

    assert store.live == [KEY_ID, *spared]


async def test_when_time_is_up_what_was_done_is_told_and_the_key_that_calls_goes_on() -> None:
    store = KeysOfAccount(KEY_ID, *key_ids(3 * CHUNK), chunks_in_time=2)

    with pytest.raises(DatabaseUnavailable) as caught:
        await revoke(OWNER, store)

    assert caught.value.revoked_count == 2 * CHUNK
    assert KEY_ID in store.live


async def test_a_repeat_goes_on_where_time_was_up() -> None:
    store = KeysOfAccount(KEY_ID, *key_ids(3 * CHUNK), chunks_in_time=2)
    with pytest.raises(DatabaseUnavailable):
        await revoke(OWNER, store)
    store.chunks_left = None

    revoked = await revoke(OWNER, store)

    assert (revoked.count, store.live) == (CHUNK + 1, [])


async def test_nothing_done_is_nothing_told() -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        await revoke(OWNER, KeysOfAccount(chunks_in_time=0))

    assert caught.value.revoked_count == 0


async def test_a_call_that_ends_nothing_is_told_to_the_audit_log() -> None:
    audit = AuditLog()

    revoked = await revoke(OWNER, KeysOfAccount(), audit=audit)

    assert revoked == RevokedKeys(0, 0)
    target = Target(TargetKind.ACCOUNT, ACCOUNT_ID)
    assert audit.records == [AuditRecord(ORIGIN, target, ACCOUNT_ID)]


async def test_what_triggers_tell_is_not_told_twice() -> None:
    audit = AuditLog()

    await revoke(OWNER, KeysOfAccount(*key_ids(1)), audit=audit)

    assert audit.records == []


@pytest.mark.parametrize(
    ("caller", "account_id", "spared"),
    [
        pytest.param(OWNER, "", (), id="owner of its own"),
        pytest.param(OWNER, ACCOUNT_ID, (), id="owner by name"),
        pytest.param(KEYS, OTHER_ACCOUNT_ID, (), id="keys of any"),
        pytest.param(ADMIN, OTHER_ACCOUNT_ID, (), id="admin of any"),
        pytest.param(ADMIN, SYSTEM_ACCOUNT_ID, (KEY_ID,), id="admin of the system account"),
    ],
)
async def test_those_who_manage_keys_may_end_them(
    caller: Caller, account_id: str, spared: tuple[str, ...]
) -> None:
    store = KeysOfAccount(KEY_ID, *key_ids(1))

    await revoke(caller, store, RevokeKeysCommand(account_id, except_key_ids=spared))

    assert store.live == list(spared)


@pytest.mark.parametrize(
    ("caller", "command", "error"),
    [
        pytest.param(a_caller("a:b"), RevokeKeysCommand(), CallerNotPermitted, id="no right"),
        pytest.param(OWNER, RevokeKeysCommand(OTHER_ACCOUNT_ID), AccountNotFound, id="another's"),
        pytest.param(KEYS, RevokeKeysCommand(SYSTEM_ACCOUNT_ID), AccountNotFound, id="system"),
        pytest.param(KEYS, RevokeKeysCommand(), InvalidRequest, id="no account"),
        pytest.param(OWNER, RevokeKeysCommand("x"), InvalidRequest, id="malformed account"),
        pytest.param(OWNER, RevokeKeysCommand(reason=None), InvalidRequest, id="unknown reason"),
        pytest.param(OWNER, RevokeKeysCommand(note="x" * 501), InvalidRequest, id="long note"),
        pytest.param(
            OWNER, RevokeKeysCommand(except_key_ids=("x",)), InvalidRequest, id="malformed id"
        ),
        pytest.param(
            OWNER,
            RevokeKeysCommand(except_key_ids=(KEY_ID,) * 101),
            InvalidRequest,
            id="too many excepted",
        ),
        pytest.param(
            OWNER,
            RevokeKeysCommand(except_key_ids=tuple(key_ids(1, first=99))),
            InvalidRequest,
            id="an excepted key that is none",
        ),
        pytest.param(
            ADMIN,
            RevokeKeysCommand(SYSTEM_ACCOUNT_ID),
            InvalidRequest,
            id="nobody could call any more",
        ),
        pytest.param(
            ADMIN,
            RevokeKeysCommand(SYSTEM_ACCOUNT_ID, except_key_ids=tuple(key_ids(1))),
            InvalidRequest,
            id="another system key is not the one that calls",
        ),
    ],
)
async def test_others_and_slips_of_the_pen_end_no_key(
    caller: Caller, command: RevokeKeysCommand, error: type[AuthsvcError]
) -> None:
    store = KeysOfAccount(KEY_ID, *key_ids(1))

    with pytest.raises(error):
        await revoke(caller, store, command)

    assert store.ended == []
