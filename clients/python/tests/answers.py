"""What a test scripts, in its usual form, with changes on top."""
# A script may hold any message.

from __future__ import annotations

from clients.python.tests.examples import AT, EXAMPLE_KEY
from clients.python.tests.key_answers import KeyAnswers
from clients.python.tests.people_answers import PeopleAnswers
from clients.python.tests.scripted_server import Failure, Feed, ScriptedServer, Slow, Stay
from clients.python.tests.validation_answers import ValidationAnswers
from orchestrator.auth.v1 import (
    account_service_pb2,
    key_management_pb2,
    key_revocation_pb2,
    session_management_pb2,
    usage_pb2,
    user_management_pb2,
)


class Answers(ValidationAnswers, KeyAnswers, PeopleAnswers):
    """Makes what a test scripts, in its usual form, with changes on top."""

    EXAMPLE_KEY = EXAMPLE_KEY
    AT = AT
    Failure = Failure
    Feed = Feed
    Slow = Slow
    Stay = Stay


def like_everything(script: ScriptedServer) -> None:
    """Script a server to like everything."""
    script.script("ValidateCredential", Answers.good())
    script.script("BatchValidateCredentials", Answers.batch(Answers.good()))
    script.script("ExplainCredential", Answers.explained())
    script.script("WatchRevocations", [Answers.beat(1), Stay()])
    script.script("CreateKey", Answers.created())
    script.script("GetKey", key_management_pb2.GetKeyResponse(key=Answers.key()))
    script.script("ListKeys", Answers.page("key_1"))
    script.script("UpdateKey", Answers.updated())
    script.script("RotateKey", Answers.rotated())
    script.script("RevokeKey", Answers.revoked())
    script.script("GetKeyUsage", Answers.key_usage())
    script.script("GetAccountUsage", usage_pb2.GetAccountUsageResponse())
    script.script("ImportKeys", Answers.imported())
    script.script("RevokeKeys", key_revocation_pb2.RevokeKeysResponse(revoked_count=3, revision=9))
    script.script("ReportLeakedKey", Answers.reported())
    script.script(
        "CreateAccount", account_service_pb2.CreateAccountResponse(account=Answers.account())
    )
    script.script("GetAccount", account_service_pb2.GetAccountResponse(account=Answers.account()))
    script.script(
        "ListAccounts", account_service_pb2.ListAccountsResponse(accounts=[Answers.account()])
    )
    script.script(
        "UpdateAccount",
        account_service_pb2.UpdateAccountResponse(account=Answers.account(), revision=9),
    )
    user = Answers.user()
    script.script("CreateUser", user_management_pb2.CreateUserResponse(user=user, revision=7))
    script.script("GetUser", user_management_pb2.GetUserResponse(user=user))
    script.script("ListUsers", Answers.users("user_1"))
    script.script("UpdateUser", user_management_pb2.UpdateUserResponse(user=user, revision=9))
    script.script(
        "SetUserPassword", user_management_pb2.SetUserPasswordResponse(user=user, revision=9)
    )
    script.script("ListAuditEvents", Answers.audited(Answers.event()))
    script.script("CreateSession", Answers.granted())
    script.script("RefreshSession", Answers.refreshed())
    script.script(
        "RevokeSession",
        session_management_pb2.RevokeSessionResponse(session=Answers.session(), revision=9),
    )
    script.script(
        "RevokeAllSessions",
        session_management_pb2.RevokeAllSessionsResponse(revoked_count=2, revision=9),
    )
    script.script("ListSessions", Answers.sessions("sess_1"))
    script.script("GetJwks", Answers.jwks())
    script.script("RotateSigningKey", Answers.rotated_signing_key())
