"""The sync client's methods for accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _account_requests, _account_responses
from orchestrator.auth._calls import Calls
from orchestrator.auth._model import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.auth._account_model import Account, UpdatedAccount
    from orchestrator.auth._enums import AccountState


class AccountMethods(Calls):
    """Accounts: create, find, change."""

    def create_account(self, display_name: str, *, timeout: float | None = None) -> Account:
        """Create an account; needs the scope `authsvc:admin`. Not retried.

        Args:
            display_name: The name that people see; 1 to 100 characters, need not be unique.
            timeout: Seconds; default: the client's.

        Raises:
            InvalidArgument: The name is out of bounds.
            PermissionDenied: This client may not do that.
        """
        request = _account_requests.create_account(display_name)
        response = self._call(self._open().accounts.CreateAccount, request, timeout)
        return _account_responses.account(response)

    def get_account(self, account_id: str, *, timeout: float | None = None) -> Account:
        """Return an account; needs the scope `authsvc:admin`.

        Args:
            account_id: Its id (`acct_…`).
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such account.
            PermissionDenied: This client may not do that.
        """
        request = _account_requests.get_account(account_id)
        response = self._call(self._open().accounts.GetAccount, request, timeout)
        return _account_responses.account(response)

    def list_accounts(
        self, *, page_size: int = 0, timeout: float | None = None
    ) -> Iterator[Account]:
        """Iterate over all accounts, oldest first; needs the scope `authsvc:admin`.

        Pages are asked for as the iteration reaches them (AIP-158).

        Args:
            page_size: How many accounts a page has, at most 1,000; 0: the server's default.
            timeout: Seconds for each page; default: the client's.

        Raises:
            PermissionDenied: This client may not do that.
            InvalidArgument: `page_size` is negative.
        """
        token = ""
        while True:
            request = _account_requests.list_accounts(page_size, token)
            response = self._call(self._open().accounts.ListAccounts, request, timeout)
            page, token = _account_responses.accounts(response, token)
            yield from page
            if not token:
                return

    def update_account(
        self,
        account_id: str,
        *,
        display_name: str | Unset = UNSET,
        state: AccountState | Unset = UNSET,
        etag: str | None = None,
        timeout: float | None = None,
    ) -> UpdatedAccount:
        """Change an account; needs the scope `authsvc:admin`. Not retried.

        What is disabled counts everywhere at once: all credentials of the account are denied with
        ACCOUNT_DISABLED, and the sessions of its users are ended for good.

        Args:
            account_id: Its id (`acct_…`).
            display_name: Another name. Default: as it is.
            state: ACTIVE or DISABLED. Default: as it is.
            etag: Change it only if this is still its etag.
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such account.
            Aborted: The account has another etag by now (ETAG_MISMATCH).
            InvalidArgument: Something is out of bounds; see `field_violations`.
            PermissionDenied: This client may not do that.
            ValueError: `state` is none that can be sent.
        """
        request = _account_requests.update_account(
            account_id, display_name=display_name, state=state, etag=etag
        )
        response = self._call(self._open().accounts.UpdateAccount, request, timeout)
        return _account_responses.updated_account(response)
