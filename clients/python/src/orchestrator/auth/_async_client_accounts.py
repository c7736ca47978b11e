"""The async client's methods for accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _account_requests, _account_responses
from orchestrator.auth._async_calls import AsyncCalls
from orchestrator.auth._model import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from orchestrator.auth._account_model import Account, UpdatedAccount
    from orchestrator.auth._enums import AccountState


class AsyncAccountMethods(AsyncCalls):
    """Accounts, with the arguments, results and errors of `AccountMethods`."""

    async def create_account(
        self,
        display_name: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Account:
        """Create an account: see `AuthClient.create_account`."""
        request = _account_requests.create_account(display_name)
        response = await self._call(self._open().accounts.CreateAccount, request, timeout)
        return _account_responses.account(response)

    async def get_account(
        self,
        account_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Account:
        """Return an account: see `AuthClient.get_account`."""
        request = _account_requests.get_account(account_id)
        response = await self._call(self._open().accounts.GetAccount, request, timeout)
        return _account_responses.account(response)

    async def list_accounts(
        self,
        *,
        page_size: int = 0,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> AsyncIterator[Account]:
        """Iterate over all accounts, oldest first: see `AuthClient.list_accounts`."""
        token = ""
        while True:
            request = _account_requests.list_accounts(page_size, token)
            response = await self._call(self._open().accounts.ListAccounts, request, timeout)
            page, token = _account_responses.accounts(response, token)
            for account in page:
                yield account
            if not token:
                return

    async def update_account(
        self,
        account_id: str,
        *,
        display_name: str | Unset = UNSET,
        state: AccountState | Unset = UNSET,
        etag: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> UpdatedAccount:
        """Change an account: see `AuthClient.update_account`."""
        request = _account_requests.update_account(
            account_id, display_name=display_name, state=state, etag=etag
        )
        response = await self._call(self._open().accounts.UpdateAccount, request, timeout)
        return _account_responses.updated_account(response)
