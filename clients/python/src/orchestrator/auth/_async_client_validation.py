"""The async client's methods for validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _requests, _responses
from orchestrator.auth._async_calls import AsyncCalls
from orchestrator.auth._model import Question

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orchestrator.auth._model import (
        Explanation,
        Principal,
        RequestContext,
        Undecided,
        Verdict,
    )
    from orchestrator.auth._secret import Secret


class AsyncValidationMethods(AsyncCalls):
    """Validation, with the arguments, results and errors of `ValidationMethods`."""

    async def validate(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        at_least_revision: int | None = None,
        authoritative: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Principal:
        """Return whom a good credential stands for: see `AuthClient.validate`."""
        return _responses.principal_of(
            await self.check(
                authorization,
                required_scopes=required_scopes,
                context=context,
                at_least_revision=at_least_revision,
                authoritative=authoritative,
                timeout=timeout,
            )
        )

    async def check(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        at_least_revision: int | None = None,
        authoritative: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Verdict:
        """Return the verdict on a credential: see `AuthClient.check`."""
        question = Question(
            authorization,
            required_scopes=required_scopes,
            context=context,
            at_least_revision=at_least_revision,
            authoritative=authoritative,
        )
        request = _requests.validate_credential(question)
        response = await self._call(self._open().auth.ValidateCredential, request, timeout)
        return _responses.verdict(response)

    async def check_many(
        self,
        questions: Iterable[Question | Secret | str | None],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> list[Verdict | Undecided]:
        """Return the verdicts on many credentials: see `AuthClient.check_many`."""
        request = _requests.batch_validate_credentials(questions)
        method = self._open().auth.BatchValidateCredentials
        response = await self._call(method, request, timeout)
        return _responses.verdicts(response, len(request.requests))

    async def explain(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Explanation:
        """Return why a credential is refused: see `AuthClient.explain`."""
        request = _requests.explain_credential(
            authorization, required_scopes=required_scopes, context=context
        )
        response = await self._call(self._open().auth.ExplainCredential, request, timeout)
        return _responses.explanation(response)
