"""Between wire messages and domain values, for accounts that change and for users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google.protobuf.message import Message

from authsvc.domain.accounts import AccountState
from authsvc.domain.passwords import Password
from authsvc.domain.users import User, UserRole
from authsvc.rpc.conversion import optional_timestamp, timestamp
from authsvc.usecases import update_account, update_user
from authsvc.usecases.create_user import CreateUserCommand
from authsvc.usecases.list_users import UserPage
from authsvc.usecases.set_user_password import SetUserPasswordCommand
from authsvc.usecases.update_account import UpdateAccountCommand
from authsvc.usecases.update_user import UpdateUserCommand
from orchestrator.auth.v1 import account_pb2, account_service_pb2, user_pb2
from orchestrator.auth.v1 import user_management_pb2 as pb

_ACCOUNT_STATES: Final = {
    account_pb2.AccountState.Value(f"ACCOUNT_STATE_{state}"): state for state in AccountState
}
_ROLES: Final = {user_pb2.UserRole.Value(f"USER_ROLE_{role}"): role for role in UserRole}


def paths_set_in(message: Message, paths: Sequence[str]) -> tuple[str, ...]:
    """Return those of the fields that are set, for a request without a mask (AIP-134)."""
    return tuple(path for path in paths if getattr(message, path))


def update_account_command(
    request: account_service_pb2.UpdateAccountRequest,
) -> UpdateAccountCommand:
    """Convert a request of UpdateAccount."""
    account = request.account
    return UpdateAccountCommand(
        account_id=account.account_id,
        paths=tuple(request.update_mask.paths) or paths_set_in(account, update_account.PATHS),
        etag=account.etag,
        display_name=account.display_name,
        state=_ACCOUNT_STATES.get(account.state),
    )


def create_user_command(request: pb.CreateUserRequest) -> CreateUserCommand:
    """Convert a request of CreateUser."""
    return CreateUserCommand(
        account_id=request.account_id,
        email=request.email,
        display_name=request.display_name,
        role=_ROLES.get(request.role),
        password=Password(request.password) if request.password else None,
    )


def update_user_command(request: pb.UpdateUserRequest) -> UpdateUserCommand:
    """Convert a request of UpdateUser."""
    user = request.user
    return UpdateUserCommand(
        user_id=user.user_id,
        paths=tuple(request.update_mask.paths) or paths_set_in(user, update_user.PATHS),
        etag=user.etag,
        display_name=user.display_name,
        role=_ROLES.get(user.role),
        disabled=user.disabled,
    )


def set_user_password_command(request: pb.SetUserPasswordRequest) -> SetUserPasswordCommand:
    """Convert a request of SetUserPassword."""
    return SetUserPasswordCommand(
        user_id=request.user_id,
        password=Password(request.password),
        current_password=Password(request.current_password),
    )


def list_users_response(page: UserPage) -> pb.ListUsersResponse:
    """Convert a page of users."""
    return pb.ListUsersResponse(
        users=map(user_message, page.users), next_page_token=page.next_page_token
    )


def user_message(user: User) -> user_pb2.User:
    """Convert a user."""
    return user_pb2.User(
        user_id=user.user_id,
        account_id=user.account_id,
        email=user.email,
        display_name=user.display_name,
        role=user_pb2.UserRole.Value(f"USER_ROLE_{user.role}"),
        state=user_pb2.UserState.Value(f"USER_STATE_{user.state}"),
        create_time=timestamp(user.create_time),
        last_login_time=optional_timestamp(user.last_login_time),
        password_change_time=optional_timestamp(user.password_change_time),
        password_set=user.password_change_time is not None,
        etag=user.etag,
        disabled=user.disabled,
    )
