"""RevokeKeys: the end of every live key of an account, in an incident."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Protocol

from authsvc.domain import ids
from authsvc.domain.accounts import Account
from authsvc.domain.audit import AuditRecord, Target, TargetKind
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.key_revocation import Revocation, RevokedChunk, check_why
from authsvc.domain.keys import RevocationReason
from authsvc.usecases.audit_denials import AuditStore
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Accounts, get_managed_account

MAX_EXCEPTED: Final = 100
CHUNK: Final = 500
"""How many keys are ended at once: other writers wait for so long."""


@dataclass(frozen=True, slots=True)
class RevokeKeysCommand:
    """Whose keys to end, and why."""

    account_id: str = ""
    """Empty: the caller's own account."""
    reason: RevocationReason | None = RevocationReason.UNSPECIFIED
    """None: a value that this version does not know."""
    note: str = ""
    except_key_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RevokedKeys:
    """How many keys were ended, and the revision of the last change; 0 when there are none."""

    count: int
    revision: int


class KeysOfAccount(Protocol):
    """Where the keys of an account are found and ended."""

    async def find_key_ids(
        self, account_id: str, key_ids: Collection[str], deadline: Deadline
    ) -> frozenset[str]:
        """Return those of the ids that are keys of the account."""
        ...

    async def revoke_keys(
        self, revocation: Revocation, *, after_key_id: str, limit: int, deadline: Deadline
    ) -> RevokedChunk:
        """End up to `limit` live keys whose ids sort after `after_key_id`, all or none.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline; they may have
                been ended all the same.
        """
        ...


class RevokeKeys:
    """Ends all keys of an account."""

    def __init__(
        self, *, accounts: Accounts, store: KeysOfAccount, audit: AuditStore, clock: Clock
    ) -> None:
        """Take the stores, the audit log and the source of time."""
        self._accounts = accounts
        self._store = store
        self._audit = audit
        self._clock = clock

    async def __call__(self, command: RevokeKeysCommand, call: Call) -> RevokedKeys:
        """End every live key but those excepted, and the key that calls last.

        Raises:
            CallerNotPermitted: The caller may manage no keys.
            InvalidRequest: The command breaks bounds, or would leave nobody who can call.
            AccountNotFound: There is no such account, or the caller may not manage its keys.
            DatabaseUnavailable: The database did not answer before the deadline. `revoked_count`
                says how many keys had been ended; a repeat goes on with the others.
        """
        call.caller.require_key_management()
        account_id = command.account_id or call.caller.own_account_id()
        reason = _check(command, account_id)
        account = await get_managed_account(self._accounts, account_id, call)
        excepted = frozenset(command.except_key_ids)
        await self._check_excepted(command, account, call)
        calling_key_id = call.caller.principal.key_id
        # With the key that calls, a call that runs out of time would lose the right to go on.
        steps = [excepted | {calling_key_id}, excepted] if calling_key_id else [excepted]
        done = RevokedKeys(0, 0)
        for left_alone in steps:
            revocation = Revocation(
                account_id, self._clock(), reason, command.note, call.origin, left_alone
            )
            done = await self._revoke(revocation, done, call.deadline)
        if not done.count:
            # Nothing changes, so no trigger tells the audit log.
            target = Target(TargetKind.ACCOUNT, account_id)
            await self._audit.append(AuditRecord(call.origin, target, account_id), call.deadline)
        return done

    async def _revoke(
        self, revocation: Revocation, done: RevokedKeys, deadline: Deadline
    ) -> RevokedKeys:
        """End the keys that a revocation is about, in steps, on top of what is done already."""
        after_key_id = ""
        while True:
            try:
                chunk = await self._store.revoke_keys(
                    revocation, after_key_id=after_key_id, limit=CHUNK, deadline=deadline
                )
            except DatabaseUnavailable as error:
                error.revoked_count = done.count
                raise
            done = RevokedKeys(done.count + chunk.count, chunk.revision or done.revision)
            if chunk.count < CHUNK:
                return done
            after_key_id = chunk.last_key_id

    async def _check_excepted(
        self, command: RevokeKeysCommand, account: Account, call: Call
    ) -> None:
        key_ids = command.except_key_ids
        violations = Violations()
        if key_ids:
            # A slip of the pen must not end the key that was to be kept.
            known = await self._store.find_key_ids(account.account_id, key_ids, call.deadline)
            for index, key_id in enumerate(key_ids):
                if key_id not in known:
                    violations.add(f"except_key_ids[{index}]", "is a key of the account")
        calling_key_id = call.caller.principal.key_id
        if account.is_system and calling_key_id and calling_key_id not in key_ids:
            violations.add(
                "except_key_ids",
                "names the key that calls: without any key of the system account nobody could "
                "manage this service any more",
            )
        violations.raise_if_any()


def _check(command: RevokeKeysCommand, account_id: str) -> RevocationReason:
    violations = Violations()
    violations.check_id("account_id", account_id, ids.ACCOUNT)
    reason = check_why(violations, command.reason, command.note)
    if len(command.except_key_ids) > MAX_EXCEPTED:
        violations.add("except_key_ids", f"has at most {MAX_EXCEPTED} entries")
    else:
        for index, key_id in enumerate(command.except_key_ids):
            violations.check_id(f"except_key_ids[{index}]", key_id, ids.KEY)
    violations.raise_if_any()
    return reason
