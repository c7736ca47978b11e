"""Who calls this service, and what it may ask for (docs/callers.md)."""

from __future__ import annotations

from collections.abc import Iterable

from authsvc.domain.accounts import Account
from authsvc.domain.errors import CallerNotPermitted, ScopeNotGrantable
from authsvc.domain.foreign_issuers import SUBJECT_SEPARATOR
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.domain.scopes import ADMIN, ALL, KEYS, MANAGE_OWN_KEYS, RESERVED, VALIDATE, covers


class Caller:
    """An authenticated caller and its rights."""

    __slots__ = ("principal",)

    def __init__(self, principal: Principal) -> None:
        """Take whom the caller's credential stands for."""
        self.principal = principal

    def require(self, reserved_scope: str) -> None:
        """Let pass only a caller with a reserved scope.

        Raises:
            CallerNotPermitted: The caller lacks the scope.
        """
        if not self._holds(reserved_scope):
            raise CallerNotPermitted(reserved_scope)

    def may_validate(self) -> bool:
        """Tell whether the caller may ask about credentials, and so is believed about addresses."""
        return self._holds(VALIDATE)

    def require_key_management(self) -> None:
        """Let pass only a caller that may manage the keys of some account.

        Raises:
            CallerNotPermitted: It may manage none.
        """
        if not (self._holds(KEYS) or self._manages_own_keys()):
            raise CallerNotPermitted(KEYS if self.principal.is_system else MANAGE_OWN_KEYS)

    def sees_all_accounts(self) -> bool:
        """Tell whether the caller may see what goes on in all accounts at once."""
        return self._holds(ADMIN)

    def own_account_id(self) -> str:
        """Return the account a request means when it names none; empty for system callers."""
        return "" if self.principal.is_system else self.principal.account_id

    def may_manage_keys_of(self, account_id: str, *, is_system: bool) -> bool:
        """Tell whether the caller may manage the keys of an account.

        Keys of the system account open this service itself, so `authsvc:keys` does not reach
        them: it would amount to `authsvc:admin`.

        Args:
            account_id: The account.
            is_system: Whether it is the system account.
        """
        if self._holds(ADMIN):
            return True
        if is_system:
            return False
        return self._holds(KEYS) or (
            self._manages_own_keys() and account_id == self.principal.account_id
        )

    def require_user_management(self) -> None:
        """Let pass only a caller that may manage the users of some account.

        No key of an account does: who finds a key must not be able to make a login of it. Nor does
        a user of another issuer: what it makes would outlive its rights there.

        Raises:
            CallerNotPermitted: It may manage none.
        """
        if not (self._holds(ADMIN) or self._manages_own_users()):
            raise CallerNotPermitted(ALL if self._is_user_of_ours() else ADMIN)

    def may_manage_users_of(self, account_id: str) -> bool:
        """Tell whether the caller may manage the users of an account."""
        if self._holds(ADMIN):
            return True
        return self._manages_own_users() and account_id == self.principal.account_id

    def require_session_management(self) -> None:
        """Let pass only a caller that has sessions of its own, or may manage users.

        Raises:
            CallerNotPermitted: It has none, and may manage none.
        """
        if self.principal.kind is not PrincipalKind.USER:
            self.require_user_management()

    def may_manage_sessions_of(self, user_id: str, account_id: str) -> bool:
        """Tell whether the caller may end the sessions of a user of an account."""
        return self.is_user(user_id) or self.may_manage_users_of(account_id)

    def is_user(self, user_id: str) -> bool:
        """Tell whether the caller is this user."""
        return self.principal.kind is PrincipalKind.USER and self.principal.user_id == user_id

    def require_grantable(self, scopes: Iterable[str], account: Account) -> None:
        """Let pass only scopes that this caller may give to a key of this account.

        A credential of an account passes on no more than it has itself. Reserved scopes go to
        the system account only, whose keys only `authsvc:admin` manages.

        Args:
            scopes: Well-formed scopes.
            account: An account whose keys the caller may manage.

        Raises:
            ScopeNotGrantable: One of them is out of the caller's reach.
        """
        for scope in scopes:
            if scope in RESERVED:
                grantable = account.is_system and self._holds(ADMIN)
            else:
                grantable = self._holds(KEYS) or covers(self.principal.scopes, scope)
            if not grantable:
                raise ScopeNotGrantable

    def _holds(self, reserved_scope: str) -> bool:
        return self.principal.is_system and covers(self.principal.scopes, reserved_scope)

    def _manages_own_users(self) -> bool:
        return self._is_user_of_ours() and ALL in self.principal.scopes

    def _is_user_of_ours(self) -> bool:
        principal = self.principal
        if principal.kind is not PrincipalKind.USER or principal.is_system:
            return False
        return SUBJECT_SEPARATOR not in principal.user_id

    def _manages_own_keys(self) -> bool:
        return not self.principal.is_system and covers(self.principal.scopes, MANAGE_OWN_KEYS)
