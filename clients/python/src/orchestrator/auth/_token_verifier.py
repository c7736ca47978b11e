"""The sync token verifier: `_token_judge` with threads around it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from orchestrator.auth import _responses
from orchestrator.auth._errors import AuthServiceError, ConfigurationError
from orchestrator.auth._to_wire import scopes as listed
from orchestrator.auth._token_judge import Ask
from orchestrator.auth._verifier_parts import (
    CLOSED,
    DEFAULT_LEEWAY,
    DEFAULT_MAX_KEY_AGE,
    DEFAULT_MAX_STALENESS,
    DEFAULT_REMEMBERED,
    log_failure,
    make_parts,
    pause,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta
    from types import TracebackType

    from orchestrator.auth._client import AuthClient
    from orchestrator.auth._model import Principal, RequestContext, Verdict
    from orchestrator.auth._secret import Secret
    from orchestrator.auth._watch import Watch


class TokenVerifier:
    """Verifies access tokens without a call for each, and hears of it when they end early.

    Example:
        >>> with AuthClient() as client, TokenVerifier(
        ...     client,
        ...     issuer="https://auth.orchestratorhq.com",
        ...     audience="https://api.orchestratorhq.com",
        ... ) as verifier:
        ...     principal = verifier.verify(request.headers.get("Authorization"))

    It keeps the service's public keys and follows `watch`. A token that was issued by a log-in or a
    refresh after the watch began is judged here alone, for as long as nothing is told of its user
    or its account; every other genuine token costs one call, whose answer is kept until an event
    ends it. While the watch is silent for longer than `max_staleness`, and before it has begun,
    each token costs a call. Credentials that are no tokens, such as API keys, are always the
    service's to judge. When neither side can decide, an `AuthServiceError` says so, and never a
    denial.

    Make one for a client and share it among threads. Its two threads begin with the first call, so
    it may be made before a process forks. It does not close the client.

    Args:
        client: What to ask and to watch with; its key has the scope `authsvc:validate`.
        issuer: The `iss` that tokens must have: the service's AUTHSVC_TOKEN_ISSUER.
        audience: The `aud` that they must have, alone or among others: AUTHSVC_TOKEN_AUDIENCE.
        leeway: How far this machine's clock and the service's may disagree; at most 5 minutes.
        max_staleness: How late a log-out may count here when the watch falls silent.
        max_key_age: How long keys are used when no newer ones can be had. Otherwise they are
            fetched anew five times as often as the service demands, that is each minute.
        remembered: How many good tokens are kept in memory, so as not to verify them again.
        other_issuers: True: the service takes tokens of other issuers, too, so that one that names
            another `iss` is the service's to judge, at a call each. False: it is denied here.

    Raises:
        ConfigurationError: PyJWT or cryptography is not installed: `orchestrator-auth[verifier]`.
        ValueError: A setting is out of bounds; the text names it.
    """

    def __init__(
        self,
        client: AuthClient,
        *,
        issuer: str,
        audience: str,
        leeway: timedelta = DEFAULT_LEEWAY,
        max_staleness: timedelta = DEFAULT_MAX_STALENESS,
        max_key_age: timedelta = DEFAULT_MAX_KEY_AGE,
        remembered: int = DEFAULT_REMEMBERED,
        other_issuers: bool = False,
    ) -> None:
        self._judge, self._keys = make_parts(
            issuer=issuer,
            audience=audience,
            leeway=leeway,
            max_staleness=max_staleness,
            max_key_age=max_key_age,
            remembered=remembered,
            other_issuers=other_issuers,
        )
        self._client = client
        self._lock = threading.Lock()
        self._fetching = threading.Lock()
        self._closed = threading.Event()
        self._threads: tuple[threading.Thread, ...] = ()
        self._watch: Watch | None = None

    def verify(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        timeout: float | None = None,
    ) -> Principal:
        """Return whom a good credential stands for.

        Args:
            authorization: The value of the HTTP Authorization header as it came, or the bare
                credential; None or empty: there was none.
            required_scopes: Scopes that the credential must have, all of them.
            context: What is known of the end client's request, for when the service is asked.
            timeout: Seconds for the call to the service, if there is one; default: the client's.

        Raises:
            CredentialDenied: The credential is refused; answer with the error's `denial`.
            AuthServiceError: Nobody could decide; answer 503.
            ConfigurationError: The verifier or its client is closed.
            TypeError: `authorization` is neither a text nor None, or `required_scopes` is a `str`.
            ValueError: A required scope is none, or `timeout` is out of bounds.
        """
        return _responses.principal_of(
            self.check(
                authorization, required_scopes=required_scopes, context=context, timeout=timeout
            )
        )

    def check(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        timeout: float | None = None,
    ) -> Verdict:
        """Return the verdict on a credential, be it good or refused.

        As `verify`, except that a denial is returned and not raised.
        """
        self._begin()
        value, scopes = text_of(authorization), listed(required_scopes, "required_scopes")
        answer = self._judge.judge(value, scopes)
        if answer is None:
            self._fetch_for_a_token()
            answer = self._judge.judge_at_last(value, scopes)
        # By its type: a verdict that is a denial counts as false.
        if not isinstance(answer, Ask):
            return answer
        verdict = self._client.check(
            authorization,
            required_scopes=() if answer.about else answer.required_scopes,
            context=context,
            at_least_revision=answer.at_least_revision,
            timeout=timeout,
        )
        return self._judge.settle(answer, verdict)

    @property
    def as_of(self) -> datetime | None:
        """Up to when all revocations are known, by the service's clock.

        None while that is too long ago, so that each token costs a call: for a metric, or to wait
        for at the start.
        """
        return self._judge.as_of

    def close(self) -> None:
        """End the watch and the threads; calls raise from then on. Repeating it does nothing."""
        with self._lock:
            self._closed.set()
            watch, threads = self._watch, self._threads
        if watch is not None:
            watch.close()
        for thread in threads:
            thread.join()

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client!r})"

    def _begin(self) -> None:
        if self._closed.is_set():
            raise ConfigurationError(CLOSED)
        if self._threads:
            return
        with self._lock:
            if self._closed.is_set():
                raise ConfigurationError(CLOSED)
            if self._threads:
                return
            self._threads = tuple(
                threading.Thread(target=target, name=f"token-verifier-{name}", daemon=True)
                for name, target in (("watch", self._follow), ("keys", self._keep_keys))
            )
            for thread in self._threads:
                thread.start()

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                watch = self._client.watch()
                with self._lock:
                    self._watch = watch
                    if self._closed.is_set():
                        watch.close()
                for event in watch:
                    self._judge.hear(event)
            except ConfigurationError:  # the client is closed
                return
            except AuthServiceError as error:
                log_failure("watch", error)
            self._closed.wait(pause())

    def _keep_keys(self) -> None:
        while not self._closed.is_set():
            try:
                with self._fetching:
                    self._fetch()
            except ConfigurationError:
                return
            except AuthServiceError as error:
                log_failure("fetch the public keys", error)
            self._closed.wait(self._keys.pause())

    def _fetch_for_a_token(self) -> None:
        with self._fetching:
            if not self._keys.may_fetch:  # another thread has just done so
                return
            try:
                self._fetch()
            except AuthServiceError as error:
                log_failure("fetch the public keys", error)

    def _fetch(self) -> None:
        began = self._keys.begin()
        self._keys.take(self._client.get_jwks(), began)
