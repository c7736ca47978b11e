"""What tests of sessions share: people who log in, and a clock that can be moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from authsvc import app
from authsvc.composition.sessions import session_servicer
from authsvc.domain.callers import Caller
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.domain.scopes import VALIDATE
from authsvc.domain.tallies import Tally
from authsvc.domain.users import User, UserRole
from authsvc.rpc.session_servicer import SessionServicer
from authsvc.usecases.call import OpenCall
from orchestrator.auth.v1 import session_management_pb2 as pb
from tests.conftest import ORIGIN, Service

PASSWORD = "correct horse battery"
HOME, CAFE = "192.0.2.7", "198.51.100.9"


async def a_person(service: Service, role: UserRole = UserRole.MEMBER, **more: Any) -> User:  # noqa: ANN401 - what create_user takes
    """Make a user who can log in with PASSWORD."""
    return await service.create_user(role, password=PASSWORD, **more)


def login_of(
    person: User | str, password: str = PASSWORD, address: str = HOME, user_agent: str = "Firefox"
) -> pb.CreateSessionRequest:
    """Return the request with which a person logs in."""
    request = pb.CreateSessionRequest(
        email=person if isinstance(person, str) else person.email, password=password
    )
    request.context.client_ip, request.context.user_agent = address, user_agent
    return request


def refresh_of(token: str, address: str = HOME) -> pb.RefreshSessionRequest:
    """Return the request with which a browser refreshes."""
    request = pb.RefreshSessionRequest(refresh_token=token)
    request.context.client_ip = address
    return request


@dataclass
class Clock:
    """The real time, and how much it is moved."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return app.utc_now() + self.ahead

    def move(self, **span: float) -> None:
        self.ahead += timedelta(**span)


class Sessions:
    """The servicer on a service's database, at a time of one's own; without the wire."""

    def __init__(self, service: Service, **settings: object) -> None:
        self.clock = Clock()
        self.service = service
        self.refused_guesses = Tally()
        parts = service.parts
        self.servicer: SessionServicer = session_servicer(
            parts.settings.model_copy(update=settings),
            parts.database,
            parts.signing,
            hasher=parts.hasher,
            refresh_repeats=Tally(),
            refused_guesses=self.refused_guesses,
            clock=self.clock,
        )

    async def log_in(
        self, person: User | str, password: str = PASSWORD, address: str = HOME
    ) -> pb.CreateSessionResponse:
        request = login_of(person, password, address)
        return await self.servicer.create_session_open(request, self.call())

    async def refresh(self, token: str, address: str = HOME) -> pb.RefreshSessionResponse:
        return await self.servicer.refresh_session_open(refresh_of(token, address), self.call())

    @staticmethod
    def call() -> OpenCall:
        return OpenCall(app.time_limit(), "", ORIGIN, find_caller=_back_end)


async def _back_end() -> Caller:
    """Return the dashboard's back end, which is believed about addresses."""
    principal = Principal(
        kind=PrincipalKind.API_KEY,
        account_id="acct_system",
        scopes=frozenset({VALIDATE}),
        is_system=True,
        expire_time=None,
    )
    return Caller(principal)
