"""The sync client. Depends on grpc; what it shares with the async one is in the other modules."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar
from weakref import WeakSet

import grpc

from orchestrator.auth import _requests, _responses
from orchestrator.auth._connection import DEFAULT_TIMEOUT, Connection
from orchestrator.auth._errors import ConfigurationError, from_rpc_error
from orchestrator.auth._model import UNSET, Question, Unset
from orchestrator.auth._watch import Stream, Watch
from orchestrator.auth.v1.account_service_pb2_grpc import AccountServiceStub
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime, timedelta
    from types import TracebackType

    from orchestrator.auth._enums import KeyState, RevocationReason
    from orchestrator.auth._model import (
        Account,
        CreatedKey,
        Explanation,
        Key,
        Principal,
        RequestContext,
        RevokedKey,
        RotatedKey,
        UpdatedKey,
        Verdict,
    )
    from orchestrator.auth._secret import Secret
    from orchestrator.auth.v1.auth_service_pb2 import WatchRevocationsRequest

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class _Open(NamedTuple):
    channel: grpc.Channel
    auth: AuthServiceStub
    accounts: AccountServiceStub


class AuthClient:
    """A client of authsvc.

    Example:
        >>> with AuthClient("auth.internal:443") as client:  # key from AUTHSVC_API_KEY
        ...     principal = client.validate(request.headers.get("Authorization"))

    Make one and share it: it is safe to use from several threads. It connects at its first call,
    so it may be made before a process forks, but not used before.

    Every method may raise `AuthServiceError`, which stands for a gRPC error status: nobody could
    decide, or this client's own key is no good. `timeout` is in seconds, covers retries and
    defaults to the client's. UNAVAILABLE is retried, except by `update_key` and `create_account`.

    Args:
        target: The service's address as `host:port`, or any other gRPC name. Default: the
            environment variable AUTHSVC_ADDRESS.
        api_key: This client's own API key. Default: the environment variable AUTHSVC_API_KEY.
        plaintext: True: no TLS. The API key and all credentials then travel readable by everyone
            on the way, so it is for loopback addresses and networks that encrypt by themselves.
        root_certificates: The PEM certificates of the authorities to trust. Default: those that
            come with grpc.
        timeout: The seconds that a call may take; positive and finite.

    Raises:
        ConfigurationError: Something is missing or cannot work; the text says what.
        ValueError: `timeout` is out of bounds.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        api_key: Secret | str | None = None,
        plaintext: bool = False,
        root_certificates: bytes | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._connection = Connection.resolve(
            target,
            api_key=api_key,
            plaintext=plaintext,
            root_certificates=root_certificates,
            timeout=timeout,
        )
        self._lock = threading.Lock()
        self._opened: _Open | None = None
        self._closed = False
        self._watches: WeakSet[Watch] = WeakSet()

    def validate(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        at_least_revision: int | None = None,
        authoritative: bool = False,
        timeout: float | None = None,
    ) -> Principal:
        """Return whom a good credential stands for.

        Args:
            authorization: The value of the HTTP Authorization header as it came, or the bare
                credential; None or empty: there was none.
            required_scopes: Scopes that the credential must have, all of them. At most 50, each
                at most 128 characters.
            context: What is known of the end client's request.
            at_least_revision: The answer reflects at least the change that returned this revision.
            authoritative: True: every record is read from the database for this call. Excludes
                `at_least_revision`.
            timeout: Seconds; default: the client's.

        Raises:
            CredentialDenied: The credential is refused; answer with the error's `denial`.
            AuthServiceError: Nobody could decide; answer 503.
            TypeError: `authorization` is neither a text nor None, or `required_scopes` is a `str`.
            ValueError: Both demands on freshness are given, or `timeout` is out of bounds.
        """
        return _responses.principal_of(
            self.check(
                authorization,
                required_scopes=required_scopes,
                context=context,
                at_least_revision=at_least_revision,
                authoritative=authoritative,
                timeout=timeout,
            )
        )

    def check(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        at_least_revision: int | None = None,
        authoritative: bool = False,
        timeout: float | None = None,
    ) -> Verdict:
        """Return the verdict on a credential, be it good or refused.

        As `validate`, except that a denial is returned and not raised.
        """
        question = Question(
            authorization,
            required_scopes=required_scopes,
            context=context,
            at_least_revision=at_least_revision,
            authoritative=authoritative,
        )
        request = _requests.validate_credential(question)
        response = self._call(self._open().auth.ValidateCredential, request, timeout)
        return _responses.verdict(response)

    def check_many(
        self,
        questions: Iterable[Question | Secret | str | None],
        *,
        timeout: float | None = None,
    ) -> list[Verdict]:
        """Return the verdicts on many credentials, in their order, from one call.

        Args:
            questions: The credentials, each alone, as `validate` takes it, or in a `Question` with
                demands of its own. At most 1,000, and 4 MiB in all.
            timeout: Seconds for all of them; default: the client's.

        Raises:
            AuthServiceError: Nobody could decide on one of them; there is no verdict at all then.
            InvalidArgument: There are too many, or one breaks its bounds; see `field_violations`.
            TypeError: `questions` is a `str`, or one of them is what `validate` refuses.
            ValueError: One has both demands on freshness.
        """
        request = _requests.batch_validate_credentials(questions)
        method = self._open().auth.BatchValidateCredentials
        response = self._call(method, request, timeout)
        return _responses.verdicts(response, len(request.requests))

    def explain(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        timeout: float | None = None,
    ) -> Explanation:
        """Return why a credential is refused, for the people who are to mend it.

        The verdict is read from the database for this call. It is no use of the key, but guesses
        count towards the limit of `context.client_ip`. To let requests pass, use `validate`.

        Args:
            authorization: As `validate` takes it. Nothing of it is in what is returned.
            required_scopes: As `validate` takes them.
            context: What is known of the end client's request.
            timeout: Seconds; default: the client's.

        Raises:
            AuthServiceError: Nobody could decide.
            InvalidArgument: Something is out of bounds; see `field_violations`.
            TypeError: `authorization` is neither a text nor None, or `required_scopes` is a `str`.
        """
        request = _requests.explain_credential(
            authorization, required_scopes=required_scopes, context=context
        )
        response = self._call(self._open().auth.ExplainCredential, request, timeout)
        return _responses.explanation(response)

    def watch(self, after_revision: int = 0) -> Watch:
        """Iterate over revocations and other changes as they happen, for a cache of one's own.

        A `KeyRevoked`, `KeyChanged` or `AccountChanged` ends what is known of that key or account.
        A `Reset` ends all that is known: it comes first when there is no revision to begin from,
        then whenever something may have been missed, and in place of an event of a kind that this
        client does not know. A `Heartbeat` comes each second and says up to when everything has
        been told; while none comes, what is kept grows old. The README has a cache built on it.

        There is no deadline. A stream that breaks off or cannot be had (UNAVAILABLE) is replaced,
        from where it was, after a short pause spread at random, again and again; the first attempt
        of an outage is logged by `orchestrator.auth`. The iteration ends by `close` only, the
        iterator's or the client's, or by an error.

        Args:
            after_revision: Begin with what came after this revision: that of the last event of an
                earlier watch, or of a `CreatedKey`, `RotatedKey` or `RevokedKey`. 0: from now on.

        Raises:
            Unauthenticated: This client's key is no good, or no longer.
            PermissionDenied: It lacks the scope `authsvc:validate`.
            InvalidArgument: The revision is negative.
            ResourceExhausted: The server has as many streams as it may have.
            ConfigurationError: This client is closed.
        """
        watch = Watch(self._stream, after_revision)
        with self._lock:
            if self._closed:
                raise ConfigurationError("this client is closed")
            self._watches.add(watch)
        return watch

    def create_key(
        self,
        name: str,
        *,
        account_id: str | None = None,
        scopes: Collection[str] = (),
        expire_time: datetime | None = None,
        ttl: timedelta | None = None,
        metadata: Mapping[str, str] | None = None,
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
        request = _requests.create_key(
            name,
            account_id=account_id,
            scopes=scopes,
            expire_time=expire_time,
            ttl=ttl,
            metadata=metadata,
            request_id=request_id,
        )
        response = self._call(self._open().auth.CreateKey, request, timeout)
        return _responses.created_key(response)

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
        request = _requests.get_key(key_id)
        response = self._call(self._open().auth.GetKey, request, timeout)
        return _responses.key(response)

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
        request = _requests.list_keys(
            account_id=account_id,
            states=states,
            name_prefix=name_prefix,
            last_used_before=last_used_before,
            expiring_before=expiring_before,
            page_size=page_size,
        )
        while True:
            response = self._call(self._open().auth.ListKeys, request, timeout)
            page, request.page_token = _responses.keys(response, request.page_token)
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
            etag: `Key.etag` as it was read: the change is made only if the key is still so.
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such key, or this client may not see it.
            InvalidArgument: Something is out of bounds, or nothing is to be changed.
            PermissionDenied: This client may not grant these scopes.
            AlreadyExists: The name is taken.
            FailedPrecondition: The key is revoked.
            Aborted: The key has changed since the etag was read.
            ValueError: `expire_time` is naive.
        """
        request = _requests.update_key(
            key_id,
            name=name,
            scopes=scopes,
            expire_time=expire_time,
            metadata=metadata,
            disabled=disabled,
            etag=etag,
        )
        response = self._call(self._open().auth.UpdateKey, request, timeout)
        return _responses.updated_key(response)

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

        The successor has a new id and a new secret, and the old key's account, name, scopes and
        metadata. The old key goes on for the overlap, and its principals name the successor.

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
        request = _requests.rotate_key(
            key_id, overlap=overlap, expire_time=expire_time, ttl=ttl, request_id=request_id
        )
        response = self._call(self._open().auth.RotateKey, request, timeout)
        return _responses.rotated_key(response)

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
        request = _requests.revoke_key(key_id=key_id, secret=secret, reason=reason, note=note)
        response = self._call(self._open().auth.RevokeKey, request, timeout)
        return _responses.revoked_key(response)

    def create_account(self, display_name: str, *, timeout: float | None = None) -> Account:
        """Create an account; needs the scope `authsvc:admin`. Not retried.

        Args:
            display_name: The name that people see; 1 to 100 characters, need not be unique.
            timeout: Seconds; default: the client's.

        Raises:
            InvalidArgument: The name is out of bounds.
            PermissionDenied: This client may not do that.
        """
        request = _requests.create_account(display_name)
        response = self._call(self._open().accounts.CreateAccount, request, timeout)
        return _responses.account(response)

    def get_account(self, account_id: str, *, timeout: float | None = None) -> Account:
        """Return an account; needs the scope `authsvc:admin`.

        Args:
            account_id: Its id (`acct_…`).
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such account.
            PermissionDenied: This client may not do that.
        """
        request = _requests.get_account(account_id)
        response = self._call(self._open().accounts.GetAccount, request, timeout)
        return _responses.account(response)

    def list_accounts(
        self, *, page_size: int = 0, timeout: float | None = None
    ) -> Iterator[Account]:
        """Iterate over all accounts, oldest first; needs the scope `authsvc:admin`.

        Pages are asked for as the iteration reaches them (AIP-158).

        Args:
            page_size: How many accounts a page has, at most 1,000; 0: the server's default.
            timeout: Seconds for each page; default: the client's.

        Raises:
            PermissionDenied: This client may not do that.
            InvalidArgument: `page_size` is negative.
        """
        token = ""
        while True:
            request = _requests.list_accounts(page_size, token)
            response = self._call(self._open().accounts.ListAccounts, request, timeout)
            page, token = _responses.accounts(response, token)
            yield from page
            if not token:
                return

    def close(self) -> None:
        """End all connections and calls. Repeating it does nothing."""
        with self._lock:
            self._closed = True
            watches = tuple(self._watches)
            for watch in watches:
                watch.close()
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.target!r})"

    def _open(self) -> _Open:
        with self._lock:
            if self._closed:
                raise ConfigurationError("this client is closed")
            if self._opened is None:
                channel = self._connection.open()
                self._opened = _Open(channel, AuthServiceStub(channel), AccountServiceStub(channel))
            return self._opened

    def _stream(self, request: WatchRevocationsRequest) -> Stream:
        method = self._open().auth.WatchRevocations
        return method(request, metadata=self._connection.metadata())

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout: float | None,
    ) -> _Response:
        seconds = self._connection.deadline(timeout)
        try:
            return method(request, timeout=seconds, metadata=self._connection.metadata())
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
