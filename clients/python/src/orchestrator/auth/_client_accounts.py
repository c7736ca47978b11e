"""The sync client's methods for accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _account_requests, _account_responses
from orchestrator.auth._calls import Calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.auth._account_model import Account


class AccountMethods(Calls):
    """Accounts: create and find."""

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
