"""Builds the request messages of the calls for users. Depends on protobuf."""

from __future__ import annotations

from orchestrator.auth import _to_wire
from orchestrator.auth._enums import UserRole
from orchestrator.auth._model import Unset
from orchestrator.auth._secret import Secret, revealed
from orchestrator.auth.v1 import user_management_pb2, user_pb2


def create_user(
    email: str,
    *,
    display_name: str,
    role: UserRole,
    account_id: str | None,
    password: Secret | str | None,
) -> user_management_pb2.CreateUserRequest:
    """Build the request of CreateUser."""
    return user_management_pb2.CreateUserRequest(
        account_id=account_id or "",
        email=email,
        display_name=display_name,
        role=_role(role),
        password="" if password is None else _to_wire.exact(revealed(password), "password"),
    )


def get_user(user_id: str) -> user_management_pb2.GetUserRequest:
    """Build the request of GetUser."""
    return user_management_pb2.GetUserRequest(user_id=user_id)


def list_users(account_id: str | None, page_size: int) -> user_management_pb2.ListUsersRequest:
    """Build the request of ListUsers for the first page."""
    return user_management_pb2.ListUsersRequest(account_id=account_id or "", page_size=page_size)


def update_user(
    user_id: str,
    *,
    display_name: str | Unset,
    role: UserRole | Unset,
    disabled: bool | Unset,
    etag: str | None,
) -> user_management_pb2.UpdateUserRequest:
    """Build the request of UpdateUser; what is not `UNSET` is named in the mask."""
    request = user_management_pb2.UpdateUserRequest()
    request.user.user_id, request.user.etag = user_id, etag or ""
    paths = request.update_mask.paths
    if not isinstance(display_name, Unset):
        request.user.display_name = display_name
        paths.append("display_name")
    if not isinstance(role, Unset):
        request.user.role = _role(role)
        paths.append("role")
    if not isinstance(disabled, Unset):
        request.user.disabled = disabled
        paths.append("disabled")
    return request


def set_user_password(
    user_id: str, password: Secret | str, *, current_password: Secret | str | None
) -> user_management_pb2.SetUserPasswordRequest:
    """Build the request of SetUserPassword."""
    return user_management_pb2.SetUserPasswordRequest(
        user_id=user_id,
        password=_to_wire.exact(revealed(password), "password"),
        current_password=(
            ""
            if current_password is None
            else _to_wire.exact(revealed(current_password), "current_password")
        ),
    )


def _role(role: UserRole) -> user_pb2.UserRole.ValueType:
    if UserRole(role) is UserRole.UNKNOWN:
        raise ValueError("role is not a UserRole that can be sent")
    return user_pb2.UserRole.Value(f"USER_ROLE_{role}")
