"""Reads the response messages of the calls for users. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.auth import _enums, _from_wire, _user_model
from orchestrator.auth._errors import MalformedResponse
from orchestrator.auth.v1 import user_pb2

if TYPE_CHECKING:
    from orchestrator.auth.v1 import user_management_pb2

_ROLES: Final = _from_wire.table(_enums.UserRole, user_pb2.UserRole.items(), "USER_ROLE_")
_STATES: Final = _from_wire.table(_enums.UserState, user_pb2.UserState.items(), "USER_STATE_")


def user(response: user_management_pb2.GetUserResponse) -> _user_model.User:
    """Read the response of GetUser."""
    _from_wire.require(response, "user")
    return _user(response.user)


def changed_user(
    response: (
        user_management_pb2.CreateUserResponse
        | user_management_pb2.UpdateUserResponse
        | user_management_pb2.SetUserPasswordResponse
    ),
) -> _user_model.ChangedUser:
    """Read the response of CreateUser, UpdateUser or SetUserPassword."""
    _from_wire.require(response, "user")
    return _user_model.ChangedUser(_user(response.user), response.revision)


def users(
    response: user_management_pb2.ListUsersResponse, page_token: str
) -> tuple[list[_user_model.User], str]:
    """Read a page of ListUsers, asked for by `page_token`, and the token of the next.

    Raises:
        MalformedResponse: The page is to be followed by itself, for ever.
    """
    if response.next_page_token and response.next_page_token == page_token:
        raise MalformedResponse("a page of users names itself as the next one")
    return [_user(message) for message in response.users], response.next_page_token


def _user(message: user_pb2.User) -> _user_model.User:
    return _user_model.User(
        user_id=message.user_id,
        account_id=message.account_id,
        email=message.email,
        display_name=message.display_name,
        role=_ROLES.get(message.role, _enums.UserRole.UNKNOWN),
        state=_STATES.get(message.state, _enums.UserState.UNKNOWN),
        create_time=_from_wire.moment(message, "create_time", message.create_time),
        last_login_time=_from_wire.optional_moment(
            message, "last_login_time", message.last_login_time
        ),
        password_set=message.password_set,
        password_change_time=_from_wire.optional_moment(
            message, "password_change_time", message.password_change_time
        ),
        etag=message.etag,
        disabled=message.disabled,
    )
