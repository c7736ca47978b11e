"""The sync client's methods for API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _key_requests, _key_responses
from orchestrator.auth._calls import Calls
from orchestrator.auth._model import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime, timedelta

    from orchestrator.auth._enums import KeyState, RevocationReason
    from orchestrator.auth._key_model import (
        CreatedKey,
        Key,
        RateLimit,
        RevokedKey,
        RotatedKey,
        UpdatedKey,
    )
    from orchestrator.auth._secret import Secret


class KeyMethods(Calls):
    """The life of a key: create, find, change, rotate, revoke."""

    def create_key(
        self,
        name: str,
        *,
        account_id: str | None = None,
        scopes: Collection[str] = (),
        expire_time: datetime | None = None,
        ttl: timedelta | None = None,
        metadata: Mapping[str, str] | None = None,
        allowed_addresses: Collection[str] = (),
        rate_limit: RateLimit | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> CreatedKey:
        """Create an API key and return it with its secret, this once.

        After `Unavailable` or `DeadlineExceeded` the key may exist all the same. To get it with its
        secret then, call with a `request_id` of your own, and again with the same arguments.

        Args:
            name: What people call it; 1 to 100 characters, unique among the account's live keys.
            account_id: The account it acts for; default: this client's own.
            scopes: What it may do, at most 50; default: everything of its account.
            expire_time: The moment it ends; aware, at most 3,660 days ahead. Default: never.
            ttl: How long it lives from now; excludes `expire_time`.
            metadata: Notes, at most 32; no secrets.
            allowed_addresses: IP addresses and networks (`192.0.2.0/24`) that it may be used from,
                at most 100; default: anywhere.
            rate_limit: How often it may be used; default: without a limit of its own.
            request_id: A UUID that makes the call safe to repeat (AIP-155): within the server's
                window (an hour unless set) this client gets the same key and secret for it.
                Draw it at random and keep it secret for so long. Default: a new one for each call,
                for its retries.
            timeout: Seconds; default: the client's.

        Raises:
            InvalidArgument: Something is out of bounds; see `field_violations`.
            PermissionDenied: This client may not do that, or not grant these scopes.
            NotFound: There is no such account.
            AlreadyExists: The name is taken.
            FailedPrecondition: The account is disabled, or the request id was used with other
                arguments (REQUEST_ID_REUSED).
            ValueError: `expire_time` is naive, `ttl` is given too, or `request_id` is empty.
        """
        request = _key_requests.create_key(
            name,
            account_id=account_id,
            scopes=scopes,
            expire_time=expire_time,
            ttl=ttl,
            metadata=metadata,
            allowed_addresses=allowed_addresses,
            rate_limit=rate_limit,
            request_id=request_id,
        )
        response = self._call(self._open().auth.CreateKey, request, timeout)
        return _key_responses.created_key(response)

    def get_key(
        self,
        key_id: str,
        *,
        timeout: float | None = None,
    ) -> Key:
        """Return a key, without its secret.

        Args:
            key_id: Its id (`key_…`).
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such key, or this client may not see it.
        """
        request = _key_requests.get_key(key_id)
        response = self._call(self._open().auth.GetKey, request, timeout)
        return _key_responses.key(response)

    def list_keys(
        self,
        *,
        account_id: str | None = None,
        states: Collection[KeyState] = (),
        name_prefix: str = "",
        last_used_before: datetime | None = None,
        expiring_before: datetime | None = None,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Iterator[Key]:
        """Iterate over the keys of an account, oldest first, revoked ones too.

        Pages are asked for as the iteration reaches them (AIP-158).

        Args:
            account_id: The account; default: this client's own.
            states: Only keys in one of these states; default: any.
            name_prefix: Only keys whose name begins so.
            last_used_before: Only keys last used, or else created, before this; aware.
            expiring_before: Only keys that end by themselves before this; aware.
            page_size: How many keys a page has, at most 1,000; 0: the server's default.
            timeout: Seconds for each page; default: the client's.

        Raises:
            NotFound: There is no such account, or this client may not see it.
            InvalidArgument: Something is out of bounds; see `field_violations`.
            ValueError: A time is naive, or a state is none that can be asked for.
        """
        request = _key_requests.list_keys(
            account_id=account_id,
            states=states,
            name_prefix=name_prefix,
            last_used_before=last_used_before,
            expiring_before=expiring_before,
            page_size=page_size,
        )
        while True:
            response = self._call(self._open().auth.ListKeys, request, timeout)
            page, request.page_token = _key_responses.keys(response, request.page_token)
            yield from page
            if not request.page_token:
                return

    def update_key(
        self,
        key_id: str,
        *,
        name: str | Unset = UNSET,
        scopes: Collection[str] | Unset = UNSET,
        expire_time: datetime | Unset | None = UNSET,
        metadata: Mapping[str, str] | Unset = UNSET,
        disabled: bool | Unset = UNSET,
        allowed_addresses: Collection[str] | Unset = UNSET,
        rate_limit: RateLimit | Unset | None = UNSET,
        etag: str | None = None,
        timeout: float | None = None,
    ) -> UpdatedKey:
        """Change a key. What is left out stays as it is.

        After `Unavailable` it may have been changed all the same; with an `etag`, another
        attempt then raises `Aborted`.

        Args:
            key_id: Its id (`key_…`).
            name: What people call it.
            scopes: What it may do, all of it; at least one.
            expire_time: The moment it ends, in the future; None: never.
            metadata: Notes, all of them.
            disabled: Whether it is switched off.
            allowed_addresses: IP addresses and networks that it may be used from, all of them;
                empty: anywhere.
            rate_limit: How often it may be used; None: without a limit of its own.
            etag: `Key.etag` as it was read: the change is made only if the key is still so.
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such key, or this client may not see it.
            InvalidArgument: Something is out of bounds, or nothing is to be changed.
            PermissionDenied: This client may not grant these scopes, or not those of a key that
                could be used where it cannot be now.
            AlreadyExists: The name is taken.
            FailedPrecondition: The key is revoked (KEY_REVOKED), or has a successor and could be
                used where it cannot be now (KEY_SUPERSEDED).
            Aborted: The key has changed since the etag was read.
            ValueError: `expire_time` is naive.
        """
        request = _key_requests.update_key(
            key_id,
            name=name,
            scopes=scopes,
            expire_time=expire_time,
            metadata=metadata,
            disabled=disabled,
            allowed_addresses=allowed_addresses,
            rate_limit=rate_limit,
            etag=etag,
        )
        response = self._call(self._open().auth.UpdateKey, request, timeout)
        return _key_responses.updated_key(response)

    def rotate_key(
        self,
        key_id: str,
        *,
        overlap: timedelta | None = None,
        expire_time: datetime | None = None,
        ttl: timedelta | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> RotatedKey:
        """Give a key a successor and return that with its secret, this once.

        The successor has a new id and a new secret, and the old key's account, name, scopes,
        metadata, allowed addresses and rate limit. The old key goes on for the overlap, and its
        principals name the successor.

        After `Unavailable` or `DeadlineExceeded` it may have been done all the same. To get the
        secret then, call with a `request_id` of your own, and again with the same arguments.

        Args:
            key_id: The key to rotate (`key_…`): active, and not rotated yet.
            overlap: How long the old key goes on, at most 30 days; zero: it is revoked at once,
                which is for a leak. Default: 24 hours. A key that expires sooner ends then.
            expire_time: The moment the new key ends; aware, at most 3,660 days ahead. Default: as
                long after now as the old key's lay after its creation; never if it had none.
            ttl: How long the new key lives from now; excludes `expire_time`.
            request_id: A UUID that makes the call safe to repeat, as for `create_key`. Default: a
                new one for each call, for its retries.
            timeout: Seconds; default: the client's.

        Raises:
            InvalidArgument: Something is out of bounds; see `field_violations`.
            PermissionDenied: This client may not do that, or not grant the key's scopes.
            NotFound: There is no such key, or this client may not see it.
            FailedPrecondition: The key has a successor (KEY_SUPERSEDED; `metadata` names it), is
                revoked (KEY_REVOKED), expired or disabled (KEY_ENDED), its account is disabled
                (ACCOUNT_DISABLED), or the request id was used with other arguments
                (REQUEST_ID_REUSED).
            ValueError: `expire_time` is naive, `ttl` is given too, or `request_id` is empty.
        """
        request = _key_requests.rotate_key(
            key_id, overlap=overlap, expire_time=expire_time, ttl=ttl, request_id=request_id
        )
        response = self._call(self._open().auth.RotateKey, request, timeout)
        return _key_responses.rotated_key(response)

    def revoke_key(
        self,
        *,
        key_id: str | None = None,
        secret: Secret | str | None = None,
        reason: RevocationReason | None = None,
        note: str = "",
        timeout: float | None = None,
    ) -> RevokedKey:
        """End a key for good. A repeat succeeds and changes nothing.

        Args:
            key_id: The key's id (`key_…`).
            secret: Instead of the id, the secret itself: whoever holds it may end the key.
            reason: Why.
            note: A note for people, at most 500 characters; no secrets.
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such key, or this client may not see it.
            InvalidArgument: Something is out of bounds; see `field_violations`.
            TypeError: Not exactly one of `key_id` and `secret` is given.
            ValueError: `reason` is none that can be sent.
        """
        request = _key_requests.revoke_key(key_id=key_id, secret=secret, reason=reason, note=note)
        response = self._call(self._open().auth.RevokeKey, request, timeout)
        return _key_responses.revoked_key(response)
