"""Who makes a call: by the credential in its metadata, else by its connection's certificate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.freshness import NO_DEMAND, FreshnessDemand
from authsvc.rpc.deadlines import Context
from authsvc.rpc.peer_certificates import CallerOfPeer
from authsvc.usecases.authenticate_caller import AuthenticateCaller

AUTHORIZATION_KEY: Final = "authorization"


class CallAuthentication:
    """Finds the caller of a call.

    What a call says itself counts, be it good or bad: only one without a credential in its metadata
    is made by whom the certificate stands for. All methods take what the metadata has under
    `AUTHORIZATION_KEY`, and raise what `AuthenticateCaller` does,
    and CallerCertificateNotMapped.
    """

    def __init__(self, authenticate: AuthenticateCaller, caller_of_peer: CallerOfPeer) -> None:
        """Take what knows credentials, and what knows certificates."""
        self._authenticate = authenticate
        self._caller_of_peer = caller_of_peer

    def now(self, authorization: Sequence[str], context: Context, address: str) -> Caller | None:
        """Return the caller by what is in memory; None when that does not do."""
        if not authorization and (caller := self._caller_of_peer(context)):
            return caller
        return self._authenticate.now(authorization, address)

    async def __call__(
        self,
        authorization: Sequence[str],
        context: Context,
        deadline: Deadline,
        address: str,
        demand: FreshnessDemand = NO_DEMAND,
    ) -> Caller:
        """Return the caller, whose record is as fresh as demanded if it has one."""
        if not authorization and (caller := self._caller_of_peer(context)):
            return caller
        return await self._authenticate(authorization, deadline, address, demand)

    async def again(
        self, authorization: Sequence[str], context: Context, deadline: Deadline, address: str
    ) -> Caller:
        """Return the caller of a call that goes on, which is no further use of its key."""
        if not authorization and (caller := self._caller_of_peer(context)):
            return caller
        return await self._authenticate.again(authorization, deadline, address)
