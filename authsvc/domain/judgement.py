"""The verdict on a credential whose records are at hand.

The order of the checks is part of the contract: existence, revoked, disabled, expired, account,
address, scope.
"""

from __future__ import annotations

from collections.abc import Sequence

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.clock import Clock
from authsvc.domain.denials import DENIALS, Denial, DenialReason, insufficient_scope
from authsvc.domain.keys import KeyRecord
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.domain.scopes import covers, narrowed, without_reserved
from authsvc.domain.sessions import SessionRecord
from authsvc.domain.users import UserRecord


def judge_key(
    record: KeyRecord, required_scopes: Sequence[str], clock: Clock, client_address: str = ""
) -> Principal | Denial:
    """Judge a key by its record.

    Args:
        record: The key's record.
        required_scopes: Well-formed scopes, all of which it must have.
        clock: Tells the moment of the call, which only a key that expires has to know.
        client_address: The IP address that presented the key; empty when it is not known.
    """
    if record.revoked:
        return DENIALS[DenialReason.KEY_REVOKED]
    if record.disabled:
        return DENIALS[DenialReason.KEY_DISABLED]
    if record.expire_time is not None and record.expire_time <= clock():
        return DENIALS[DenialReason.KEY_EXPIRED]
    if record.account_disabled:
        return DENIALS[DenialReason.ACCOUNT_DISABLED]
    if record.addresses is not None and not record.addresses.allow(client_address):
        return DENIALS[DenialReason.ADDRESS_NOT_ALLOWED]
    return _judge_scopes(record.principal, required_scopes) if required_scopes else record.principal


def judge_token(
    claims: AccessTokenClaims,
    account: Account,
    user: UserRecord | None,
    required_scopes: Sequence[str],
    session: SessionRecord | None = None,
) -> Principal | Denial:
    """Judge a verified access token by its account, its user and its session.

    Args:
        claims: The token's claims; signature and times were verified.
        account: The account that the token names.
        user: The user that the token names; None where there is none.
        required_scopes: Well-formed scopes, all of which it must have.
        session: The session that the token belongs to; None where there is none.
    """
    scopes = frozenset(without_reserved(claims.scopes))
    if claims.user_id:
        if user is None or user.account_id != account.account_id:
            return DENIALS[DenialReason.TOKEN_INVALID]
        if user.disabled:
            return DENIALS[DenialReason.TOKEN_REVOKED]
        # A token says what its user might do when it was issued; the role may have changed since.
        if user.most_scopes is not None:
            scopes = narrowed(scopes, user.most_scopes)
    if claims.known_session_id and is_lost(session, claims.subject):
        return DENIALS[DenialReason.TOKEN_REVOKED]
    principal = Principal(
        kind=PrincipalKind.USER,
        account_id=account.account_id,
        scopes=scopes,
        is_system=account.is_system,
        expire_time=claims.expire_time,
        user_id=claims.subject,
        session_id=claims.session_id,
    )
    if account.state is AccountState.DISABLED:
        return DENIALS[DenialReason.ACCOUNT_DISABLED]
    return _judge_scopes(principal, required_scopes)


def is_lost(session: SessionRecord | None, user_id: str) -> bool:
    """Tell whether the session that a user's token names is no more, or never was the user's.

    Args:
        session: The session; None where there is none.
        user_id: The subject of the token.
    """
    # Sessions are deleted some time after they end, so one that is unknown was ended.
    return session is None or session.ended or session.user_id != user_id


def _judge_scopes(principal: Principal, required_scopes: Sequence[str]) -> Principal | Denial:
    for scope in required_scopes:
        if not covers(principal.scopes, scope):
            return insufficient_scope(required_scopes)
    return principal
