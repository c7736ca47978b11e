"""The sync client's methods for users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _user_requests, _user_responses
from orchestrator.auth._calls import Calls
from orchestrator.auth._model import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.auth._enums import UserRole
    from orchestrator.auth._secret import Secret
    from orchestrator.auth._user_model import ChangedUser, User


class UserMethods(Calls):
    """Users of accounts: create, find, change.

    They need a key with the scope `authsvc:admin`, or in its place an access token of an owner of
    the account. A key of the account manages none of its users.
    """

    def create_user(
        self,
        email: str,
        *,
        display_name: str,
        role: UserRole,
        account_id: str | None = None,
        password: Secret | str | None = None,
        timeout: float | None = None,
    ) -> ChangedUser:
        """Create a user. Not retried.

        Args:
            email: The address, which no other user of any account may have.
            display_name: The name that people see; 1 to 100 characters.
            role: What the user is to the account.
            account_id: The account (`acct_…`).
            password: 12 to 1,024 characters, and none that many people use. Default: the user
                has none, and cannot log in with one.
            timeout: Seconds; default: the client's.

        Raises:
            InvalidArgument: Something is out of bounds, or the password breaks a rule; see
                `field_violations`.
            AlreadyExists: A user has this address already (EMAIL_TAKEN).
            NotFound: There is no such account, or this client may not see it.
            FailedPrecondition: The account is disabled (ACCOUNT_DISABLED).
            PermissionDenied: This client may not do that.
            ResourceExhausted: Too many passwords are being set at once (TOO_MANY_LOGINS).
            ValueError: `role` or `password` is none that can be sent.
        """
        request = _user_requests.create_user(
            email,
            display_name=display_name,
            role=role,
            account_id=account_id,
            password=password,
        )
        response = self._call(self._open().accounts.CreateUser, request, timeout)
        return _user_responses.changed_user(response)

    def get_user(self, user_id: str, *, timeout: float | None = None) -> User:
        """Return a user.

        Args:
            user_id: The user's id (`user_…`).
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such user, or this client may not see it.
            PermissionDenied: This client may not do that.
        """
        request = _user_requests.get_user(user_id)
        response = self._call(self._open().accounts.GetUser, request, timeout)
        return _user_responses.user(response)

    def list_users(
        self,
        *,
        account_id: str | None = None,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Iterator[User]:
        """Iterate over the users of an account, oldest first.

        Pages are asked for as the iteration reaches them (AIP-158).

        Args:
            account_id: The account (`acct_…`).
            page_size: How many users a page has, at most 1,000; 0: the server's default.
            timeout: Seconds for each page; default: the client's.

        Raises:
            NotFound: There is no such account, or this client may not see it.
            InvalidArgument: Something is out of bounds; see `field_violations`.
            PermissionDenied: This client may not do that.
        """
        request = _user_requests.list_users(account_id, page_size)
        while True:
            response = self._call(self._open().accounts.ListUsers, request, timeout)
            page, request.page_token = _user_responses.users(response, request.page_token)
            yield from page
            if not request.page_token:
                return

    def update_user(
        self,
        user_id: str,
        *,
        display_name: str | Unset = UNSET,
        role: UserRole | Unset = UNSET,
        disabled: bool | Unset = UNSET,
        etag: str | None = None,
        timeout: float | None = None,
    ) -> ChangedUser:
        """Change a user. Not retried.

        Another role and being disabled count everywhere at once, for tokens that the user has
        already too. Disabling ends the user's sessions for good.

        Args:
            user_id: The user's id (`user_…`).
            display_name: Another name. Default: as it is.
            role: Another role. Default: as it is.
            disabled: Whether its tokens are denied with TOKEN_REVOKED. Default: as it is.
            etag: Change it only if this is still its etag.
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such user, or this client may not see it.
            Aborted: The user has another etag by now (ETAG_MISMATCH).
            FailedPrecondition: It is the account's last active owner (LAST_OWNER).
            InvalidArgument: Something is out of bounds; see `field_violations`.
            PermissionDenied: This client may not do that.
            ValueError: `role` is none that can be sent.
        """
        request = _user_requests.update_user(
            user_id, display_name=display_name, role=role, disabled=disabled, etag=etag
        )
        response = self._call(self._open().accounts.UpdateUser, request, timeout)
        return _user_responses.changed_user(response)

    def set_user_password(
        self,
        user_id: str,
        password: Secret | str,
        *,
        current_password: Secret | str | None = None,
        timeout: float | None = None,
    ) -> ChangedUser:
        """Set a user's password. Not retried.

        Args:
            user_id: The user's id (`user_…`).
            password: 12 to 1,024 characters, and none that many people use.
            current_password: Needed where the caller is the user itself, and taken from no other.
            timeout: Seconds; default: the client's.

        Raises:
            InvalidArgument: The password breaks a rule; see `field_violations`.
            NotFound: There is no such user, or this client may not see it.
            PermissionDenied: This client may not do that, or the current password is another one
                (WRONG_PASSWORD).
            ResourceExhausted: Too many passwords are being set at once (TOO_MANY_LOGINS), or wrong
                current passwords were given (TOO_MANY_FAILED_LOGINS).
            ValueError: A password is none that can be sent.
        """
        request = _user_requests.set_user_password(
            user_id, password, current_password=current_password
        )
        response = self._call(self._open().accounts.SetUserPassword, request, timeout)
        return _user_responses.changed_user(response)
