"""AccountService on the wire: convert, one use case, convert."""

from __future__ import annotations

from authsvc.rpc import conversion
from authsvc.usecases.accounts import CreateAccount, GetAccount, ListAccounts
from authsvc.usecases.call import Call
from orchestrator.auth.v1 import account_service_pb2 as pb


class AccountServicer:
    """Serves the methods of `orchestrator.auth.v1.AccountService`."""

    def __init__(
        self, *, create_account: CreateAccount, get_account: GetAccount, list_accounts: ListAccounts
    ) -> None:
        """Take the use cases."""
        self._create_account = create_account
        self._get_account = get_account
        self._list_accounts = list_accounts

    async def create_account(
        self, request: pb.CreateAccountRequest, call: Call
    ) -> pb.CreateAccountResponse:
        """Create an account."""
        account = await self._create_account(request.display_name, call)
        return pb.CreateAccountResponse(account=conversion.account_message(account))

    async def get_account(self, request: pb.GetAccountRequest, call: Call) -> pb.GetAccountResponse:
        """Return an account."""
        account = await self._get_account(request.account_id, call)
        return pb.GetAccountResponse(account=conversion.account_message(account))

    async def list_accounts(
        self, request: pb.ListAccountsRequest, call: Call
    ) -> pb.ListAccountsResponse:
        """Return a page of accounts."""
        page = await self._list_accounts(request.page_size, request.page_token, call)
        return pb.ListAccountsResponse(
            accounts=map(conversion.account_message, page.accounts),
            next_page_token=page.next_page_token,
        )
