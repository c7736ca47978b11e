"""The sync client's methods for many keys at once, and for leaked ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _bulk_requests, _bulk_responses
from orchestrator.auth._calls import Calls
from orchestrator.auth._enums import ImportMode

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.auth._bulk_model import ImportedKeys, KeyToImport, ReportedKey, RevokedKeys
    from orchestrator.auth._enums import RevocationReason
    from orchestrator.auth._secret import Secret


class BulkMethods(Calls):
    """Moving keys in, and ending them in an incident."""

    def import_keys(
        self,
        keys: Collection[KeyToImport],
        *,
        account_id: str,
        mode: ImportMode = ImportMode.EACH_BY_ITSELF,
        timeout: float | None = None,
    ) -> ImportedKeys:
        """Take over keys that another system gave out, by the digests of their secrets.

        A repeat finds those that are there already and imports the others.

        Args:
            keys: At least 1, at most 1,000.
            account_id: The account that they act for.
            mode: What a key that cannot be imported means for the others.
            timeout: Seconds; default: the client's.

        Returns:
            What became of each: a key that cannot be imported raises nothing.

        Raises:
            InvalidArgument: There are no keys or too many, or the account id is malformed.
            PermissionDenied: This client lacks `authsvc:keys`.
            NotFound: There is no such account, or this client may not manage its keys.
            FailedPrecondition: The account is disabled.
            ValueError: A time is naive, or `mode` is none that can be sent.
        """
        request = _bulk_requests.import_keys(keys, account_id=account_id, mode=mode)
        response = self._call(self._open().auth.ImportKeys, request, timeout)
        return _bulk_responses.imported_keys(response, len(request.keys))

    def revoke_keys(
        self,
        *,
        account_id: str | None = None,
        reason: RevocationReason | None = None,
        note: str = "",
        except_key_ids: Collection[str] = (),
        timeout: float | None = None,
    ) -> RevokedKeys:
        """End every live key of an account, for good; this client's own one too, as the last.

        Very many keys take more than one call: `Unavailable` with `revoked_count` in its `metadata`
        says that so many have been ended, and that a repeat goes on. It is not repeated unasked.

        Args:
            account_id: The account; default: this client's own.
            reason: Why.
            note: A note for people, at most 500 characters; no secrets.
            except_key_ids: Keys of the account to leave as they are, at most 100. For the system
                account, this client's own key must be among them.
            timeout: Seconds; default: the client's.

        Raises:
            InvalidArgument: Something is out of bounds; see `field_violations`.
            PermissionDenied: This client may manage no keys.
            NotFound: There is no such account, or this client may not manage its keys.
            TypeError: `except_key_ids` is a `str`.
            ValueError: `reason` is none that can be sent.
        """
        request = _bulk_requests.revoke_keys(
            account_id=account_id, reason=reason, note=note, except_key_ids=except_key_ids
        )
        response = self._call(self._open().auth.RevokeKeys, request, timeout)
        return _bulk_responses.revoked_keys(response)

    def report_leaked_key(
        self, secret: Secret | str, *, found_at: str, timeout: float | None = None
    ) -> ReportedKey:
        """End a key whose secret was found where it should not be.

        Whoever holds the secret may; an anonymous client does.

        Args:
            secret: The secret: `orch_` and 40 hexadecimal characters.
            found_at: Where it was, as a URL or in words; 1 to 500 characters, kept with the key.
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such key.
            InvalidArgument: Something is out of bounds, or `found_at` holds a secret.
            ResourceExhausted: Too many reports come from here: see `retry_delay`.
        """
        request = _bulk_requests.report_leaked_key(secret, found_at=found_at)
        response = self._call(self._open().auth.ReportLeakedKey, request, timeout)
        return _bulk_responses.reported_key(response)
