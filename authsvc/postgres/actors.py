"""Whether who makes a change may still make it, settled when no other change can come between.

A call is let in by what was true when it came. Until it has its turn to write, its own key may have
been ended: it must not leave another one behind.
"""

from __future__ import annotations

from typing import Final

from authsvc.domain.denials import DenialReason
from authsvc.domain.errors import CallerCredentialInvalid
from authsvc.domain.origin import ActorKind, Origin
from authsvc.postgres.changes import LOCK_CHANGES
from authsvc.postgres.database import Connection

_IS_KEY_ENDED: Final = """
SELECT EXISTS (SELECT FROM authsvc.keys
                WHERE key_id = $1 AND (revoke_time IS NOT NULL OR disabled))
"""
_IS_USER_ENDED: Final = """
SELECT EXISTS (SELECT FROM authsvc.users WHERE user_id = $1 AND (disabled OR role <> 'OWNER'))
"""


async def lock_for(connection: Connection, origin: Origin) -> None:
    """Take the lock of all changes for who makes keys or users.

    Raises:
        CallerCredentialInvalid: Its key was ended or disabled since the call came, or its user
            was disabled or is an owner no more.
    """
    await connection.execute(LOCK_CHANGES)
    if origin.actor_kind is ActorKind.KEY:
        if await connection.fetchval(_IS_KEY_ENDED, origin.actor_id):
            raise CallerCredentialInvalid(DenialReason.KEY_REVOKED)
    elif origin.actor_kind is ActorKind.USER and await connection.fetchval(
        _IS_USER_ENDED, origin.actor_id
    ):
        raise CallerCredentialInvalid(DenialReason.TOKEN_REVOKED)
