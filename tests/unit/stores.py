"""Stores in memory, for use cases where a real database adds nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from authsvc.domain.access_tokens import TokenVerification
from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.denials import DenialReason
from authsvc.domain.freshness import Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.key_secrets import digest_of
from authsvc.domain.keys import Key, KeyOwner, KeyRecord, OwnedKey, RevocationReason
from authsvc.domain.origin import Origin
from authsvc.domain.sessions import SessionRecord
from authsvc.domain.users import UserRecord
from authsvc.usecases.call import Call
from tests.unit.examples import (
    ACCOUNT_ID,
    FAKE_KEY,
    KEY_ID,
    NOW,
    ORIGIN,
    OTHER_ACCOUNT_ID,
    SYSTEM_ACCOUNT_ID,
    NoHurry,
    a_caller,
    a_system_caller,
    an_account,
)

MISSING_ACCOUNT_ID = "acct_0000000000000000000000000z"
DISABLED_ACCOUNT_ID = "acct_0000000000000000000000000y"
ADMIN = a_system_caller("authsvc:admin")
KEYS = a_system_caller("authsvc:keys")
OWNER = a_caller("*")


class Accounts:
    """Accounts in memory, oldest first."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = list(accounts)

    async def insert_account(self, account: Account, origin: Origin, deadline: Deadline) -> Account:
        assert origin
        assert deadline
        self.accounts.append(account)
        return account

    async def find_account(self, account_id: str, deadline: Deadline) -> Account | None:
        assert deadline
        return next((a for a in self.accounts if a.account_id == account_id), None)

    async def find_accounts(
        self, account_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, Account]:
        assert deadline
        return {a.account_id: a for a in self.accounts if a.account_id in account_ids}

    async def list_accounts(
        self, *, after_account_id: str, limit: int, deadline: Deadline
    ) -> list[Account]:
        assert deadline
        return [a for a in self.accounts if a.account_id > after_account_id][:limit]


class Keys:
    """Keys in memory: what was inserted, and what was revoked."""

    def __init__(self, *owners: KeyOwner) -> None:
        self.owners = {owner.key_id: owner for owner in owners}
        self.inserted: list[tuple[Key, bytes]] = []
        self.revoked: list[str] = []

    async def insert_key(self, key: Key, digest: bytes, origin: Origin, deadline: Deadline) -> Key:
        assert origin
        assert deadline
        self.inserted.append((key, digest))
        return key

    async def find_key_owner(self, key_id: str, deadline: Deadline) -> KeyOwner | None:
        assert deadline
        return self.owners.get(key_id)

    async def find_key_owner_by_digest(self, digest: bytes, deadline: Deadline) -> KeyOwner | None:
        assert deadline
        return self.owners.get(KEY_ID) if digest == digest_of(FAKE_KEY) else None

    async def find_key_records(
        self, digests: Sequence[bytes], deadline: Deadline
    ) -> Mapping[bytes, KeyRecord]:
        assert deadline
        assert digests
        return {}

    async def revoke_key(
        self,
        key_id: str,
        *,
        revoke_time: datetime,
        reason: RevocationReason,
        note: str,
        origin: Origin,
        deadline: Deadline,
    ) -> Key:
        assert origin
        assert deadline
        self.revoked.append(key_id)
        return Key(
            key_id=key_id,
            account_id=ACCOUNT_ID,
            name="ci",
            scopes=(),
            hint="",
            create_time=NOW,
            expire_time=None,
            metadata={},
            revision=1,
            revoke_time=revoke_time,
            revoke_reason=reason,
            revoke_note=note,
        )


class KnownKeysInMemory:
    """Keys by their secrets, as records to judge by and with their details."""

    def __init__(self, known: Mapping[str, OwnedKey]) -> None:
        self.known = {digest_of(secret): key for secret, key in known.items()}

    async def find_key_by_digest(self, digest: bytes, deadline: Deadline) -> OwnedKey | None:
        assert deadline
        return self.known.get(digest)

    async def find_key_records(
        self, digests: Sequence[bytes], deadline: Deadline
    ) -> Mapping[bytes, KeyRecord]:
        assert deadline
        return {d: _record_of(self.known[d]) for d in digests if d in self.known}


def _record_of(known: OwnedKey) -> KeyRecord:
    key = known.key
    return KeyRecord(
        key_id=key.key_id,
        name=key.name,
        account_id=key.account_id,
        account_state=known.account.state,
        account_is_system=known.account.is_system,
        scopes=key.scopes,
        metadata=key.metadata,
        expire_time=key.expire_time,
        disabled=key.disabled,
        revoked=key.revoke_time is not None,
        allowed_addresses=key.allowed_addresses,
        rate_limit=key.rate_limit,
    )


class UserRecords:
    """The records of users in memory."""

    def __init__(self, *users: UserRecord) -> None:
        self.users = {user.user_id: user for user in users}

    async def find_user_records(
        self, user_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, UserRecord]:
        assert deadline
        return {user_id: self.users[user_id] for user_id in user_ids if user_id in self.users}


class SessionRecords:
    """The records of sessions in memory."""

    def __init__(self, *sessions: SessionRecord) -> None:
        self.sessions = {session.session_id: session for session in sessions}

    async def find_session_records(
        self, session_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, SessionRecord]:
        assert deadline
        return {one: self.sessions[one] for one in session_ids if one in self.sessions}


class NoTokens:
    """A verifier that takes no token, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.recalled = 0
        self.demands: list[FreshnessDemand] = []

    def knows(self, token: str) -> bool:
        assert token
        return False

    def verify_now(self, token: str) -> TokenVerification | None:
        assert token
        self.recalled += 1
        return None

    async def verify(
        self, token: str, demand: FreshnessDemand, deadline: Deadline
    ) -> TokenVerification:
        assert token
        assert deadline
        self.demands.append(demand)
        return TokenVerification(
            DenialReason.TOKEN_INVALID, Freshness(FreshnessSource.DATABASE, NOW)
        )


class Usage:
    """What was counted."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, str]] = []
        self.sources: list[tuple[str, str]] = []

    def count(self, key_id: str, outcome: str, client_address: str, caller_id: str) -> None:
        self.counted.append((key_id, outcome))
        self.sources.append((client_address, caller_id))


def a_call(caller: Caller) -> Call:
    return Call(caller, NoHurry(), ORIGIN)


def some_accounts() -> Accounts:
    return Accounts(
        an_account(ACCOUNT_ID),
        an_account(OTHER_ACCOUNT_ID),
        an_account(SYSTEM_ACCOUNT_ID, is_system=True),
        an_account(DISABLED_ACCOUNT_ID, state=AccountState.DISABLED),
    )
