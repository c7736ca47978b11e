"""The async token verifier: `_token_judge` with tasks around it."""

from __future__ import annotations

import asyncio
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

    from orchestrator.auth._async_client import AsyncAuthClient
    from orchestrator.auth._model import Principal, RequestContext, Verdict
    from orchestrator.auth._secret import Secret


class AsyncTokenVerifier:
    """Verifies access tokens for asyncio; arguments, results and errors as `TokenVerifier`.

    Example:
        >>> async with AsyncAuthClient() as client, AsyncTokenVerifier(
        ...     client,
        ...     issuer="https://auth.orchestratorhq.com",
        ...     audience="https://api.orchestratorhq.com",
        ... ) as verifier:
        ...     principal = await verifier.verify(request.headers.get("Authorization"))

    Make one for a client and share it among the tasks of its event loop. Its two tasks begin with
    the first call.
    """

    def __init__(
        self,
        client: AsyncAuthClient,
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
        self._fetching = asyncio.Lock()
        self._closed = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def verify(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Principal:
        """Return whom a good credential stands for: see `TokenVerifier.verify`."""
        return _responses.principal_of(
            await self.check(
                authorization, required_scopes=required_scopes, context=context, timeout=timeout
            )
        )

    async def check(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Verdict:
        """Return the verdict on a credential: see `TokenVerifier.check`."""
        self._begin()
        value, scopes = text_of(authorization), listed(required_scopes, "required_scopes")
        answer = self._judge.judge(value, scopes)
        if answer is None:
            await self._fetch_for_a_token()
            answer = self._judge.judge_at_last(value, scopes)
        # By its type: a verdict that is a denial counts as false.
        if not isinstance(answer, Ask):
            return answer
        verdict = await self._client.check(
            authorization,
            required_scopes=() if answer.about else answer.required_scopes,
            context=context,
            at_least_revision=answer.at_least_revision,
            timeout=timeout,
        )
        return self._judge.settle(answer, verdict)

    @property
    def as_of(self) -> datetime | None:
        """Up to when all revocations are known: see `TokenVerifier.as_of`."""
        return self._judge.as_of

    async def close(self) -> None:
        """End the watch and the tasks; calls raise from then on. Repeating it does nothing."""
        self._closed = True
        tasks, self._tasks = self._tasks, ()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client!r})"

    def _begin(self) -> None:
        if self._closed:
            raise ConfigurationError(CLOSED)
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = (
                loop.create_task(self._follow(), name="token-verifier-watch"),
                loop.create_task(self._keep_keys(), name="token-verifier-keys"),
            )

    async def _follow(self) -> None:
        while True:
            try:
                async with self._client.watch() as watch:
                    async for event in watch:
                        self._judge.hear(event)
            except ConfigurationError:  # the client is closed
                return
            except AuthServiceError as error:
                log_failure("watch", error)
            await asyncio.sleep(pause())

    async def _keep_keys(self) -> None:
        while True:
            try:
                async with self._fetching:
                    await self._fetch()
            except ConfigurationError:
                return
            except AuthServiceError as error:
                log_failure("fetch the public keys", error)
            await asyncio.sleep(self._keys.pause())

    async def _fetch_for_a_token(self) -> None:
        async with self._fetching:
            if not self._keys.may_fetch:  # another task has just done so
                return
            try:
                await self._fetch()
            except AuthServiceError as error:
                log_failure("fetch the public keys", error)

    async def _fetch(self) -> None:
        began = self._keys.begin()
        self._keys.take(await self._client.get_jwks(), began)
