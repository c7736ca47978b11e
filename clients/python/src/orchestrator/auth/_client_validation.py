"""The sync client's methods for validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _requests, _responses
from orchestrator.auth._calls import Calls
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


class ValidationMethods(Calls):
    """Validation: whose is a credential, is it good, and why not."""

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
    ) -> list[Verdict | Undecided]:
        """Return the verdicts on many credentials, in their order, from one call.

        In the place of a verdict is an `Undecided`, which counts as false, where nobody could tell
        though the service was there: the keys of a token's issuer could not be fetched.

        Args:
            questions: The credentials, each alone, as `validate` takes it, or in a `Question` with
                demands of its own. At most 1,000, and 4 MiB in all.
            timeout: Seconds for all of them; default: the client's.

        Raises:
            AuthServiceError: Nobody could decide on any of them; there is no verdict at all then.
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
