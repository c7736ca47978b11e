"""AuthService on the wire: convert, one use case, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Clock
from authsvc.rpc import conversion
from authsvc.usecases.call import Call
from authsvc.usecases.create_key import CreateKey
from authsvc.usecases.revoke_key import RevokeKey
from authsvc.usecases.validate_credential import BatchValidateCredentials, ValidateCredential
from authsvc.usecases.watch_revocations import WatchRevocations
from orchestrator.auth.v1 import auth_service_pb2 as pb


class AuthServicer:
    """Serves the methods of `orchestrator.auth.v1.AuthService`."""

    def __init__(
        self,
        *,
        validate_credential: ValidateCredential,
        batch_validate_credentials: BatchValidateCredentials,
        watch_revocations: WatchRevocations,
        create_key: CreateKey,
        revoke_key: RevokeKey,
        clock: Clock,
    ) -> None:
        """Take the use cases, and the clock that keys' states are told by."""
        self._validate_credential = validate_credential
        self._batch_validate_credentials = batch_validate_credentials
        self._watch_revocations = watch_revocations
        self._create_key = create_key
        self._revoke_key = revoke_key
        self._clock = clock

    async def validate_credential(self, request: pb.ValidateCredentialRequest, call: Call) -> bytes:
        """Judge one credential."""
        verdict = await self._validate_credential(conversion.question(request), call)
        return conversion.validate_credential_response(verdict)

    def validate_credential_now(
        self, request: pb.ValidateCredentialRequest, caller: Caller
    ) -> bytes | None:
        """Judge one credential by what is in memory; None when that does not do."""
        verdict = self._validate_credential.now(conversion.question(request), caller)
        return None if verdict is None else conversion.validate_credential_response(verdict)

    async def batch_validate_credentials(
        self, request: pb.BatchValidateCredentialsRequest, call: Call
    ) -> bytes:
        """Judge many credentials."""
        questions = [conversion.question(one) for one in request.requests]
        return conversion.batch_response(await self._batch_validate_credentials(questions, call))

    async def watch_revocations(
        self, request: pb.WatchRevocationsRequest, call: Call
    ) -> AsyncIterator[pb.WatchRevocationsResponse]:
        """Tell of revocations and other changes."""
        async for event in self._watch_revocations(request.after_revision, call):
            yield conversion.watch_response(event)

    async def create_key(self, request: pb.CreateKeyRequest, call: Call) -> pb.CreateKeyResponse:
        """Create a key."""
        created = await self._create_key(conversion.create_key_command(request), call)
        return pb.CreateKeyResponse(
            key=conversion.key_message(created.key, self._clock()),
            secret=created.secret.reveal(),
            revision=created.key.revision,
        )

    async def revoke_key(self, request: pb.RevokeKeyRequest, call: Call) -> pb.RevokeKeyResponse:
        """End a key."""
        key = await self._revoke_key(conversion.revoke_key_command(request), call)
        return pb.RevokeKeyResponse(
            key=conversion.key_message(key, self._clock()), revision=key.revision
        )
