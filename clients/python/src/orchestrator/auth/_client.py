"""The sync client. Depends on grpc; what it shares with the async one is in the other modules."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from orchestrator.auth._calls import Open
from orchestrator.auth._client_accounts import AccountMethods
from orchestrator.auth._client_audit import AuditMethods
from orchestrator.auth._client_bulk import BulkMethods
from orchestrator.auth._client_keys import KeyMethods
from orchestrator.auth._client_sessions import SessionMethods
from orchestrator.auth._client_signing_keys import SigningKeyMethods
from orchestrator.auth._client_usage import UsageMethods
from orchestrator.auth._client_users import UserMethods
from orchestrator.auth._client_validation import ValidationMethods
from orchestrator.auth._connection import DEFAULT_TIMEOUT, Connection
from orchestrator.auth._errors import ConfigurationError
from orchestrator.auth._watch import Stream, Watch

if TYPE_CHECKING:
    from types import TracebackType

    from orchestrator.auth._model import (
        Anonymous,
    )
    from orchestrator.auth._secret import Secret
    from orchestrator.auth.v1.auth_service_pb2 import WatchRevocationsRequest


class AuthClient(
    ValidationMethods,
    KeyMethods,
    BulkMethods,
    UsageMethods,
    AccountMethods,
    UserMethods,
    AuditMethods,
    SigningKeyMethods,
    SessionMethods,
):
    """A client of authsvc.

    Example:
        >>> with AuthClient("auth.internal:443") as client:  # key from AUTHSVC_API_KEY
        ...     principal = client.validate(request.headers.get("Authorization"))

    Make one and share it: it is safe to use from several threads. It connects at its first call,
    so it may be made before a process forks, but not used before.

    Every method may raise `AuthServiceError`, which stands for a gRPC error status: nobody could
    decide, or this client's own key is no good. `timeout` is in seconds, covers retries and
    defaults to the client's. UNAVAILABLE is retried, except by `create_account`, `create_user`,
    `rotate_signing_key`, `create_session`, `revoke_all_sessions`, `revoke_keys` and what changes a
    key, an account or a user.

    Args:
        target: The service's address as `host:port`, or any other gRPC name. Default: the
            environment variable AUTHSVC_ADDRESS.
        api_key: This client's own API key, or the access token of a person in whose name it calls.
            Default: the environment variable AUTHSVC_API_KEY. `ANONYMOUS`: none at all.
        plaintext: True: no TLS. The API key and all credentials then travel readable by everyone
            on the way, so it is for loopback addresses and networks that encrypt by themselves.
        root_certificates: The PEM certificates of the authorities to trust. Default: those that
            come with grpc.
        client_certificate: The PEM certificate chain by which this client proves itself to a port
            that asks for it, its own certificate first. An API key, if there is one, counts
            instead; without one none is needed. It is read once: make a new client before it runs
            out.
        client_key: The PEM private key of that certificate, not encrypted.
        timeout: The seconds that a call may take; positive and finite.

    Raises:
        ConfigurationError: Something is missing or cannot work; the text says what.
        ValueError: `timeout` is out of bounds.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        api_key: Secret | str | Anonymous | None = None,
        plaintext: bool = False,
        root_certificates: bytes | None = None,
        client_certificate: bytes | None = None,
        client_key: bytes | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._connection = Connection.resolve(
            target,
            api_key=api_key,
            plaintext=plaintext,
            root_certificates=root_certificates,
            client_certificate=client_certificate,
            client_key=client_key,
            timeout=timeout,
        )
        self._lock = threading.Lock()
        self._opened: Open | None = None
        self._closed = False
        self._watches: WeakSet[Watch] = WeakSet()

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

    def _open(self) -> Open:
        with self._lock:
            if self._closed:
                raise ConfigurationError("this client is closed")
            if self._opened is None:
                self._opened = Open.on(self._connection.open())
            return self._opened

    def _stream(self, request: WatchRevocationsRequest) -> Stream:
        method = self._open().auth.WatchRevocations
        return method(request, metadata=self._connection.metadata())
