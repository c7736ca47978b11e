"""The async client's methods for users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _user_requests, _user_responses
from orchestrator.auth._async_calls import AsyncCalls
from orchestrator.auth._model import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from orchestrator.auth._enums import UserRole
    from orchestrator.auth._secret import Secret
    from orchestrator.auth._user_model import ChangedUser, User


class AsyncUserMethods(AsyncCalls):
    """Users of accounts, with the arguments, results and errors of `UserMethods`."""

    async def create_user(
        self,
        email: str,
        *,
        display_name: str,
        role: UserRole,
        account_id: str | None = None,
        password: Secret | str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> ChangedUser:
        """Create a user: see `AuthClient.create_user`."""
        request = _user_requests.create_user(
            email,
            display_name=display_name,
            role=role,
            account_id=account_id,
            password=password,
        )
        response = await self._call(self._open().accounts.CreateUser, request, timeout)
        return _user_responses.changed_user(response)

    async def get_user(
        self,
        user_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> User:
        """Return a user: see `AuthClient.get_user`."""
        request = _user_requests.get_user(user_id)
        response = await self._call(self._open().accounts.GetUser, request, timeout)
        return _user_responses.user(response)

    async def list_users(
        self,
        *,
        account_id: str | None = None,
        page_size: int = 0,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> AsyncIterator[User]:
        """Iterate over the users of an account: see `AuthClient.list_users`."""
        request = _user_requests.list_users(account_id, page_size)
        while True:
            response = await self._call(self._open().accounts.ListUsers, request, timeout)
            page, request.page_token = _user_responses.users(response, request.page_token)
            for user in page:
                yield user
            if not request.page_token:
                return

    async def update_user(
        self,
        user_id: str,
        *,
        display_name: str | Unset = UNSET,
        role: UserRole | Unset = UNSET,
        disabled: bool | Unset = UNSET,
        etag: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> ChangedUser:
        """Change a user: see `AuthClient.update_user`."""
        request = _user_requests.update_user(
            user_id, display_name=display_name, role=role, disabled=disabled, etag=etag
        )
        response = await self._call(self._open().accounts.UpdateUser, request, timeout)
        return _user_responses.changed_user(response)

    async def set_user_password(
        self,
        user_id: str,
        password: Secret | str,
        *,
        current_password: Secret | str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> ChangedUser:
        """Set a user's password: see `AuthClient.set_user_password`."""
        request = _user_requests.set_user_password(
            user_id, password, current_password=current_password
        )
        response = await self._call(self._open().accounts.SetUserPassword, request, timeout)
        return _user_responses.changed_user(response)
