"""Between wire messages and domain values, for users, and nothing else."""

from __future__ import annotations

from typing import Final

from authsvc.domain.passwords import Password
from authsvc.domain.users import User, UserRole
from authsvc.rpc.masks import paths_set_in
from authsvc.rpc.time_conversion import optional_timestamp, timestamp
from authsvc.usecases import update_user
from authsvc.usecases.create_user import CreateUserCommand
from authsvc.usecases.list_users import UserPage
from authsvc.usecases.set_user_password import SetUserPasswordCommand
from authsvc.usecases.update_user import UpdateUserCommand
from orchestrator.auth.v1 import user_management_pb2 as pb
from orchestrator.auth.v1 import user_pb2

_ROLES: Final = {user_pb2.UserRole.Value(f"USER_ROLE_{role}"): role for role in UserRole}


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
