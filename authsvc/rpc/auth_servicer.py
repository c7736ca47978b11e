"""AuthService on the wire: convert, one use case, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.denials import Denial
from authsvc.rpc import (
    explanation_conversion,
    import_conversion,
    key_conversion,
    revocation_conversion,
    rotation_conversion,
    usage_conversion,
    verdict_conversion,
    watch_conversion,
)
from authsvc.rpc.error_table import row_of
from authsvc.rpc.instant_calls import Rest
from authsvc.rpc.observation import Answer
from authsvc.usecases.call import Call, OpenCall
from authsvc.usecases.create_key import CreateKey
from authsvc.usecases.explain_credential import ExplainCredential
from authsvc.usecases.get_key import GetKey
from authsvc.usecases.get_usage import GetAccountUsage, GetKeyUsage
from authsvc.usecases.import_keys import ImportKeys
from authsvc.usecases.judge_batch import Undecided, settled
from authsvc.usecases.list_keys import ListKeys
from authsvc.usecases.question import Question, Unsettled, Verdict
from authsvc.usecases.report_leaked_key import ReportLeakedKey
from authsvc.usecases.revoke_key import RevokeKey
from authsvc.usecases.revoke_keys import RevokeKeys
from authsvc.usecases.rotate_key import RotateKey
from authsvc.usecases.update_key import UpdateKey
from authsvc.usecases.validate_credential import BatchValidateCredentials, ValidateCredential
from authsvc.usecases.watch_revocations import WatchRevocations
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import (
    key_import_pb2,
    key_management_pb2,
    key_revocation_pb2,
    key_rotation_pb2,
    usage_pb2,
)


class AuthServicer:
    """Serves the methods of `orchestrator.auth.v1.AuthService`."""

    def __init__(
        self,
        *,
        validate_credential: ValidateCredential,
        batch_validate_credentials: BatchValidateCredentials,
        watch_revocations: WatchRevocations,
        explain_credential: ExplainCredential,
        create_key: CreateKey,
        get_key: GetKey,
        list_keys: ListKeys,
        update_key: UpdateKey,
        revoke_key: RevokeKey,
        rotate_key: RotateKey,
        get_key_usage: GetKeyUsage,
        get_account_usage: GetAccountUsage,
        import_keys: ImportKeys,
        revoke_keys: RevokeKeys,
        report_leaked_key: ReportLeakedKey,
        clock: Clock,
    ) -> None:
        """Take the use cases, and the clock that keys' states are told by."""
        self._validate_credential = validate_credential
        self._batch_validate_credentials = batch_validate_credentials
        self._watch_revocations = watch_revocations
        self._explain_credential = explain_credential
        self._create_key = create_key
        self._get_key = get_key
        self._list_keys = list_keys
        self._update_key = update_key
        self._revoke_key = revoke_key
        self._rotate_key = rotate_key
        self._get_key_usage = get_key_usage
        self._get_account_usage = get_account_usage
        self._import_keys = import_keys
        self._revoke_keys = revoke_keys
        self._report_leaked_key = report_leaked_key
        self._clock = clock

    def validate_credential_now(
        self, request: pb.ValidateCredentialRequest, caller: Caller
    ) -> Answer | Rest:
        """Judge one credential."""
        answer = self._validate_credential.now(
            verdict_conversion.question(request, caller.principal.actor), caller
        )
        if isinstance(answer, Verdict):
            return _answer(answer)
        return partial(self._settle, answer)

    async def _settle(self, unsettled: Unsettled, deadline: Deadline) -> Answer:
        verdict = await self._validate_credential.settle(unsettled, deadline)
        return _answer(verdict)

    def batch_validate_credentials_now(
        self, request: pb.BatchValidateCredentialsRequest, caller: Caller
    ) -> Answer | Rest:
        """Judge many credentials."""
        caller_id = caller.principal.actor
        questions = [verdict_conversion.question(one, caller_id) for one in request.requests]
        answers = self._batch_validate_credentials.now(questions, caller)
        verdicts = settled(answers)
        if verdicts is not None:
            return _batch_answer(verdicts)
        return partial(self._settle_batch, questions, answers)

    async def _settle_batch(
        self,
        questions: Sequence[Question],
        answers: Sequence[Verdict | Unsettled],
        deadline: Deadline,
    ) -> Answer:
        verdicts = await self._batch_validate_credentials.settle(questions, answers, deadline)
        return _batch_answer(verdicts)

    async def watch_revocations(
        self, request: pb.WatchRevocationsRequest, call: Call
    ) -> AsyncIterator[pb.WatchRevocationsResponse]:
        """Tell of revocations and other changes."""
        async for event in self._watch_revocations(request.after_revision, call):
            yield watch_conversion.watch_response(event)

    async def explain_credential(
        self, request: pb.ExplainCredentialRequest, call: Call
    ) -> pb.ExplainCredentialResponse:
        """Tell why a credential is refused."""
        question = explanation_conversion.explain_question(request)
        explanation = await self._explain_credential(question, call)
        return explanation_conversion.explain_credential_response(explanation, self._clock())

    async def create_key(self, request: pb.CreateKeyRequest, call: Call) -> pb.CreateKeyResponse:
        """Create a key."""
        created = await self._create_key(key_conversion.create_key_command(request), call)
        return pb.CreateKeyResponse(
            key=key_conversion.key_message(created.key, self._clock()),
            secret=created.secret.reveal(),
            revision=created.revision,
        )

    async def get_key(
        self, request: key_management_pb2.GetKeyRequest, call: Call
    ) -> key_management_pb2.GetKeyResponse:
        """Return a key."""
        key = await self._get_key(request.key_id, call)
        return key_management_pb2.GetKeyResponse(key=key_conversion.key_message(key, self._clock()))

    async def list_keys(
        self, request: key_management_pb2.ListKeysRequest, call: Call
    ) -> key_management_pb2.ListKeysResponse:
        """Return a page of keys."""
        page = await self._list_keys(key_conversion.list_keys_query(request), call)
        return key_conversion.list_keys_response(page)

    async def update_key(
        self, request: key_management_pb2.UpdateKeyRequest, call: Call
    ) -> key_management_pb2.UpdateKeyResponse:
        """Change a key."""
        key = await self._update_key(key_conversion.update_key_command(request), call)
        return key_management_pb2.UpdateKeyResponse(
            key=key_conversion.key_message(key, self._clock()), revision=key.revision
        )

    async def revoke_key(self, request: pb.RevokeKeyRequest, call: Call) -> pb.RevokeKeyResponse:
        """End a key."""
        key = await self._revoke_key(key_conversion.revoke_key_command(request), call)
        return pb.RevokeKeyResponse(
            key=key_conversion.key_message(key, self._clock()), revision=key.revision
        )

    async def rotate_key(
        self, request: key_rotation_pb2.RotateKeyRequest, call: Call
    ) -> key_rotation_pb2.RotateKeyResponse:
        """Give a key a successor."""
        rotated = await self._rotate_key(rotation_conversion.rotate_key_command(request), call)
        return rotation_conversion.rotate_key_response(rotated, self._clock())

    async def get_key_usage(
        self, request: usage_pb2.GetKeyUsageRequest, call: Call
    ) -> usage_pb2.GetKeyUsageResponse:
        """Tell how a key is used."""
        query = usage_conversion.usage_period_query(request)
        usage = await self._get_key_usage(request.key_id, query, call)
        return usage_conversion.get_key_usage_response(usage)

    async def get_account_usage(
        self, request: usage_pb2.GetAccountUsageRequest, call: Call
    ) -> usage_pb2.GetAccountUsageResponse:
        """Tell how the keys of an account are used."""
        query = usage_conversion.usage_period_query(request)
        intervals = await self._get_account_usage(request.account_id, query, call)
        return usage_conversion.get_account_usage_response(intervals)

    async def import_keys(
        self, request: key_import_pb2.ImportKeysRequest, call: Call
    ) -> key_import_pb2.ImportKeysResponse:
        """Import keys by their digests."""
        outcomes = await self._import_keys(import_conversion.import_keys_command(request), call)
        return import_conversion.import_keys_response(outcomes, self._clock())

    async def revoke_keys(
        self, request: key_revocation_pb2.RevokeKeysRequest, call: Call
    ) -> key_revocation_pb2.RevokeKeysResponse:
        """End all keys of an account."""
        revoked = await self._revoke_keys(revocation_conversion.revoke_keys_command(request), call)
        return revocation_conversion.revoke_keys_response(revoked)

    async def report_leaked_key_open(
        self, request: key_revocation_pb2.ReportLeakedKeyRequest, call: OpenCall
    ) -> key_revocation_pb2.ReportLeakedKeyResponse:
        """End a key whose secret was found."""
        report = revocation_conversion.leak_report(request)
        reported = await self._report_leaked_key(report, call)
        return revocation_conversion.report_leaked_key_response(reported)


def _answer(verdict: Verdict) -> Answer:
    return Answer(verdict_conversion.validate_credential_response(verdict), _denial(verdict))


def _batch_answer(verdicts: Sequence[Verdict | Undecided]) -> Answer:
    return Answer(
        verdict_conversion.batch_response(verdicts), next(filter(None, map(_reason, verdicts)), "")
    )


def _reason(verdict: Verdict | Undecided) -> str:
    """Return why an entry of a batch is not good; empty when it is."""
    if isinstance(verdict, Undecided):
        return row_of(verdict.cause).short_reason
    return _denial(verdict)


def _denial(verdict: Verdict) -> str:
    outcome = verdict.outcome
    return outcome.reason.name if isinstance(outcome, Denial) else ""
