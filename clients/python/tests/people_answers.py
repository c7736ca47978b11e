"""What the server says of accounts, users, sessions and the audit log."""
# A script may hold any message.
# ruff: noqa: ANN401

from __future__ import annotations

from typing import Any

from clients.python.tests.examples import AT
from orchestrator.auth.v1 import (
    account_pb2,
    audit_pb2,
    audit_service_pb2,
    session_management_pb2,
    session_pb2,
    user_management_pb2,
    user_pb2,
)


class PeopleAnswers:
    """What the server says of accounts, users, sessions and the audit log."""

    @staticmethod
    def account(account_id: str = "acct_1") -> account_pb2.Account:
        return account_pb2.Account(
            account_id=account_id,
            display_name="Example",
            state=account_pb2.ACCOUNT_STATE_ACTIVE,
            create_time=AT,
            etag="e1",
        )

    @staticmethod
    def user(**changes: Any) -> user_pb2.User:
        message = user_pb2.User(
            user_id="user_1",
            account_id="acct_1",
            email="ada@example.com",
            display_name="Ada",
            role=user_pb2.USER_ROLE_OWNER,
            state=user_pb2.USER_STATE_ACTIVE,
            create_time=AT,
            etag="e1",
        )
        message.MergeFrom(user_pb2.User(**changes))
        return message

    @staticmethod
    def users(*user_ids: str, token: str = "") -> user_management_pb2.ListUsersResponse:
        users = [PeopleAnswers.user(user_id=user_id) for user_id in user_ids]
        return user_management_pb2.ListUsersResponse(users=users, next_page_token=token)

    @staticmethod
    def event(**changes: Any) -> audit_pb2.AuditEvent:
        message = audit_pb2.AuditEvent(
            event_id="evt_1",
            event_time=AT,
            actor=audit_pb2.AuditActor(
                kind=audit_pb2.ACTOR_KIND_KEY, id="key_2", account_id="acct_1"
            ),
            action="orchestrator.auth.v1.AuthService/UpdateKey",
            target=audit_pb2.AuditTarget(kind=audit_pb2.TARGET_KIND_KEY, id="key_1"),
            account_id="acct_1",
            request_id="request-1",
            address="192.0.2.1",
            outcome="OK",
        )
        message.before.update({"name": "ci", "expire_time": None})
        message.after.update(
            {
                "name": "deploy",
                "expire_time": "2026-01-02T03:04:05+00:00",
                "rate_limit_requests": 5,
            }
        )
        message.MergeFrom(audit_pb2.AuditEvent(**changes))
        return message

    @staticmethod
    def audited(
        *events: audit_pb2.AuditEvent, token: str = ""
    ) -> audit_service_pb2.ListAuditEventsResponse:
        return audit_service_pb2.ListAuditEventsResponse(events=events, next_page_token=token)

    @staticmethod
    def session(**changes: Any) -> session_pb2.Session:
        message = session_pb2.Session(
            session_id="sess_1",
            user_id="user_1",
            account_id="acct_1",
            state=session_pb2.SESSION_STATE_ACTIVE,
            create_time=AT,
            last_seen_time=AT,
            idle_expire_time=AT,
            expire_time=AT,
            user_agent="Firefox",
            client_ip="192.0.2.1",
        )
        message.MergeFrom(session_pb2.Session(**changes))
        return message

    @staticmethod
    def granted(**changes: Any) -> session_management_pb2.CreateSessionResponse:
        return session_management_pb2.CreateSessionResponse(
            **{
                "session": PeopleAnswers.session(),
                "access_token": "e.y.j",
                "access_token_expire_time": AT,
                "refresh_token": "orchrt_1",
                **changes,
            }
        )

    @staticmethod
    def refreshed(**changes: Any) -> session_management_pb2.RefreshSessionResponse:
        granted = PeopleAnswers.granted(**changes).SerializeToString()
        return session_management_pb2.RefreshSessionResponse.FromString(granted)

    @staticmethod
    def sessions(*session_ids: str, token: str = "") -> session_management_pb2.ListSessionsResponse:
        sessions = [PeopleAnswers.session(session_id=session_id) for session_id in session_ids]
        return session_management_pb2.ListSessionsResponse(sessions=sessions, next_page_token=token)
