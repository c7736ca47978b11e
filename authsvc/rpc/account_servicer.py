"""AccountService on the wire: convert, one use case, convert."""

from __future__ import annotations

from authsvc.rpc import account_conversion, user_conversion
from authsvc.usecases.accounts import CreateAccount, GetAccount, ListAccounts
from authsvc.usecases.call import Call
from authsvc.usecases.create_user import CreateUser
from authsvc.usecases.list_users import GetUser, ListUsers
from authsvc.usecases.set_user_password import SetUserPassword
from authsvc.usecases.update_account import UpdateAccount
from authsvc.usecases.update_user import UpdateUser
from orchestrator.auth.v1 import account_service_pb2 as pb
from orchestrator.auth.v1 import user_management_pb2 as user_pb


class AccountServicer:
    """Serves the methods of `orchestrator.auth.v1.AccountService`."""

    def __init__(
        self,
        *,
        create_account: CreateAccount,
        get_account: GetAccount,
        list_accounts: ListAccounts,
        update_account: UpdateAccount,
        create_user: CreateUser,
        get_user: GetUser,
        list_users: ListUsers,
        update_user: UpdateUser,
        set_user_password: SetUserPassword,
    ) -> None:
        """Take the use cases."""
        self._create_account = create_account
        self._get_account = get_account
        self._list_accounts = list_accounts
        self._update_account = update_account
        self._create_user = create_user
        self._get_user = get_user
        self._list_users = list_users
        self._update_user = update_user
        self._set_user_password = set_user_password

    async def create_account(
        self, request: pb.CreateAccountRequest, call: Call
    ) -> pb.CreateAccountResponse:
        """Create an account."""
        account = await self._create_account(request.display_name, call)
        return pb.CreateAccountResponse(account=account_conversion.account_message(account))

    async def get_account(self, request: pb.GetAccountRequest, call: Call) -> pb.GetAccountResponse:
        """Return an account."""
        account = await self._get_account(request.account_id, call)
        return pb.GetAccountResponse(account=account_conversion.account_message(account))

    async def list_accounts(
        self, request: pb.ListAccountsRequest, call: Call
    ) -> pb.ListAccountsResponse:
        """Return a page of accounts."""
        page = await self._list_accounts(request.page_size, request.page_token, call)
        return pb.ListAccountsResponse(
            accounts=map(account_conversion.account_message, page.accounts),
            next_page_token=page.next_page_token,
        )

    async def update_account(
        self, request: pb.UpdateAccountRequest, call: Call
    ) -> pb.UpdateAccountResponse:
        """Change an account."""
        command = account_conversion.update_account_command(request)
        account = await self._update_account(command, call)
        return pb.UpdateAccountResponse(
            account=account_conversion.account_message(account), revision=account.revision
        )

    async def create_user(
        self, request: user_pb.CreateUserRequest, call: Call
    ) -> user_pb.CreateUserResponse:
        """Create a user."""
        user = await self._create_user(user_conversion.create_user_command(request), call)
        return user_pb.CreateUserResponse(
            user=user_conversion.user_message(user), revision=user.revision
        )

    async def get_user(
        self, request: user_pb.GetUserRequest, call: Call
    ) -> user_pb.GetUserResponse:
        """Return a user."""
        user = await self._get_user(request.user_id, call)
        return user_pb.GetUserResponse(user=user_conversion.user_message(user))

    async def list_users(
        self, request: user_pb.ListUsersRequest, call: Call
    ) -> user_pb.ListUsersResponse:
        """Return a page of users."""
        page = await self._list_users(
            request.account_id, request.page_size, request.page_token, call
        )
        return user_conversion.list_users_response(page)

    async def update_user(
        self, request: user_pb.UpdateUserRequest, call: Call
    ) -> user_pb.UpdateUserResponse:
        """Change a user."""
        user = await self._update_user(user_conversion.update_user_command(request), call)
        return user_pb.UpdateUserResponse(
            user=user_conversion.user_message(user), revision=user.revision
        )

    async def set_user_password(
        self, request: user_pb.SetUserPasswordRequest, call: Call
    ) -> user_pb.SetUserPasswordResponse:
        """Set a user's password."""
        command = user_conversion.set_user_password_command(request)
        user = await self._set_user_password(command, call)
        return user_pb.SetUserPasswordResponse(
            user=user_conversion.user_message(user), revision=user.revision
        )
