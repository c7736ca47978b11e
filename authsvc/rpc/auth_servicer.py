"""AuthService on the wire: convert, one use case, convert."""

from __future__ import annotations

from authsvc.domain.clock import Clock
from authsvc.rpc import conversion
from authsvc.usecases.call import Call
from authsvc.usecases.create_key import CreateKey
from authsvc.usecases.revoke_key import RevokeKey
from authsvc.usecases.validate_credential import ValidateCredential
from orchestrator.auth.v1 import auth_service_pb2 as pb


class AuthServicer:
    """Serves the methods of `orchestrator.auth.v1.AuthService`."""

    def __init__(
        self,
        *,
        validate_credential: ValidateCredential,
        create_key: CreateKey,
        revoke_key: RevokeKey,
        clock: Clock,
    ) -> None:
        """Take the use cases, and the clock that keys' states are told by."""
        self._validate_credential = validate_credential
        self._create_key = create_key
        self._revoke_key = revoke_key
        self._clock = clock

    async def validate_credential(
        self, request: pb.ValidateCredentialRequest, call: Call
    ) -> pb.ValidateCredentialResponse:
        """Judge one credential."""
        verdict = await self._validate_credential(
            conversion.validate_credential_query(request), call
        )
        return conversion.validate_credential_response(verdict)

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
