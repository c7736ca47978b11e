"""The sync client's methods for the keys of access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _signing_key_requests, _signing_key_responses
from orchestrator.auth._calls import Calls
from orchestrator.auth._enums import SigningKeyRotationUrgency

if TYPE_CHECKING:
    from orchestrator.auth._signing_key_model import Jwks, RotatedSigningKey


class SigningKeyMethods(Calls):
    """The keys of access tokens: read the public ones, rotate."""

    def get_jwks(self, *, timeout: float | None = None) -> Jwks:
        """Return the public keys that access tokens are verified with; needs no rights.

        For those who verify tokens themselves. They do not learn that an account was disabled or
        a session ended; `validate` does.

        Args:
            timeout: Seconds; default: the client's.
        """
        request = _signing_key_requests.get_jwks()
        response = self._call(self._open().sessions.GetJwks, request, timeout)
        return _signing_key_responses.jwks(response)

    def rotate_signing_key(
        self,
        urgency: SigningKeyRotationUrgency = SigningKeyRotationUrgency.SCHEDULED,
        *,
        timeout: float | None = None,
    ) -> RotatedSigningKey:
        """Make a new key to sign access tokens with; needs the scope `authsvc:admin`. Not retried.

        Args:
            urgency: SCHEDULED: the key signs once those who verify know it. COMPROMISED: it
                signs at once, and every token of every other key ends.
            timeout: Seconds; default: the client's.

        Raises:
            PermissionDenied: This client may not do that.
            ValueError: `urgency` is none that can be sent.
        """
        request = _signing_key_requests.rotate_signing_key(urgency)
        response = self._call(self._open().sessions.RotateSigningKey, request, timeout)
        return _signing_key_responses.rotated(response)
