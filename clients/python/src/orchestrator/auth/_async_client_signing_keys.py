"""The async client's methods for the keys of access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _signing_key_requests, _signing_key_responses
from orchestrator.auth._async_calls import AsyncCalls
from orchestrator.auth._enums import SigningKeyRotationUrgency

if TYPE_CHECKING:
    from orchestrator.auth._signing_key_model import Jwks, RotatedSigningKey


class AsyncSigningKeyMethods(AsyncCalls):
    """The keys of access tokens, with the arguments and results of `SigningKeyMethods`."""

    async def get_jwks(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Jwks:
        """Return the public keys of access tokens: see `AuthClient.get_jwks`."""
        request = _signing_key_requests.get_jwks()
        response = await self._call(self._open().sessions.GetJwks, request, timeout)
        return _signing_key_responses.jwks(response)

    async def rotate_signing_key(
        self,
        urgency: SigningKeyRotationUrgency = SigningKeyRotationUrgency.SCHEDULED,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> RotatedSigningKey:
        """Make a new key to sign with: see `AuthClient.rotate_signing_key`."""
        request = _signing_key_requests.rotate_signing_key(urgency)
        response = await self._call(self._open().sessions.RotateSigningKey, request, timeout)
        return _signing_key_responses.rotated(response)
