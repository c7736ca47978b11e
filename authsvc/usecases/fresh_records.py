"""The records that credentials are judged by, kept fresh: keys by digest, the others by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from authsvc.domain.accounts import Account
from authsvc.domain.changes import Change, ChangeKind, Watermark
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.keys import KeyRecord
from authsvc.domain.sessions import SessionRecord
from authsvc.domain.users import UserRecord
from authsvc.usecases.followed_log import FollowedLog
from authsvc.usecases.fresh_lookup import FreshLookup, LookupBounds

# What a changed key has become may have been asked for before: a new secret, for instance.
_MAY_APPEAR = frozenset(
    {ChangeKind.ACCOUNT_CREATED, ChangeKind.KEY_CREATED, ChangeKind.KEY_CHANGED}
)


class KeyRecordReader(Protocol):
    """Reads key records from the database."""

    async def find_key_records(
        self, digests: Sequence[bytes], deadline: Deadline
    ) -> Mapping[bytes, KeyRecord]:
        """Return the records of those digests that belong to a key."""
        ...


class AccountReader(Protocol):
    """Reads accounts from the database."""

    async def find_accounts(
        self, account_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, Account]:
        """Return those accounts that exist."""
        ...


class UserRecordReader(Protocol):
    """Reads user records from the database."""

    async def find_user_records(
        self, user_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, UserRecord]:
        """Return the records of those users that exist."""
        ...


class SessionRecordReader(Protocol):
    """Reads session records from the database."""

    async def find_session_records(
        self, session_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, SessionRecord]:
        """Return the records of those sessions that exist."""
        ...


class FreshRecords:
    """Keeps records fresh by what the change log says."""

    def __init__(
        self,
        *,
        log: FollowedLog,
        keys: KeyRecordReader,
        accounts: AccountReader,
        users: UserRecordReader,
        sessions: SessionRecordReader,
        bounds: LookupBounds,
        clock: Clock,
    ) -> None:
        """Take the watermark, the readers and the bounds."""
        self.keys: FreshLookup[bytes, KeyRecord] = FreshLookup(
            log=log,
            read=keys.find_key_records,
            tags=lambda record: (record.principal.key_id, record.principal.account_id),
            is_final=lambda record: record.revoked,
            bounds=bounds,
            clock=clock,
        )
        self.accounts: FreshLookup[str, Account] = FreshLookup(
            log=log,
            read=accounts.find_accounts,
            tags=lambda account: (account.account_id,),
            is_final=lambda _account: False,
            bounds=bounds,
            clock=clock,
        )
        self.users: FreshLookup[str, UserRecord] = FreshLookup(
            log=log,
            read=users.find_user_records,
            tags=lambda user: (user.user_id,),
            is_final=lambda _user: False,
            bounds=bounds,
            clock=clock,
        )

        self.sessions: FreshLookup[str, SessionRecord] = FreshLookup(
            log=log,
            read=sessions.find_session_records,
            tags=lambda session: (session.session_id,),
            is_final=lambda session: session.ended,
            bounds=bounds,
            clock=clock,
        )

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Drop what changed."""
        of_sessions = [change.session_id for change in changes if change.session_id]
        if of_sessions:
            # Nobody asks for a session before it exists: none is wrongly known to be absent.
            self.sessions.drop(of_sessions, created=False)
        of_users = [
            change.user_id for change in changes if change.user_id and not change.session_id
        ]
        if of_users:
            self.users.drop(of_users, created=True)
        others = [change for change in changes if not change.user_id]
        if others:
            tags = [change.key_id or change.account_id for change in others]
            created = any(change.kind in _MAY_APPEAR for change in others)
            self.keys.drop(tags, created=created)
            self.accounts.drop(tags, created=created)

    def on_caught_up(self, watermark: Watermark) -> None:
        """Take no note: the log keeps it."""

    def on_gap(self) -> None:
        """Drop everything."""
        self.keys.clear()
        self.accounts.clear()
        self.users.clear()
        self.sessions.clear()
