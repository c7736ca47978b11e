"""Every state, change and finding has its form on the wire."""

from __future__ import annotations

import pytest

from authsvc.domain.accounts import AccountState
from authsvc.domain.changes import Change, ChangeKind
from authsvc.domain.findings import FindingCode
from authsvc.rpc import (
    account_conversion,
    watch_conversion,
)
from orchestrator.auth.v1 import (
    account_pb2,
    explanation_pb2,
)
from tests.unit.examples import (
    ACCOUNT_ID,
    KEY_ID,
    SESSION_ID,
    USER_ID,
    an_account,
)


@pytest.mark.parametrize("state", AccountState)
def test_every_account_state_has_a_wire_value(state: AccountState) -> None:
    message = account_conversion.account_message(an_account(state=state))

    assert account_pb2.AccountState.Name(message.state) == f"ACCOUNT_STATE_{state}"


@pytest.mark.parametrize("kind", sorted(set(ChangeKind) - {ChangeKind.KEYRING_CHANGED}))
def test_every_change_that_is_told_has_a_form_on_the_wire(kind: ChangeKind) -> None:
    key_id = KEY_ID if kind.startswith("KEY") else ""
    user_id = USER_ID if kind.startswith(("USER", "SESSION")) else ""
    session_id = SESSION_ID if kind.startswith("SESSION") else ""

    response = watch_conversion.watch_response(
        Change(7, kind, ACCOUNT_ID, key_id, user_id, session_id)
    )

    told = {
        ChangeKind.KEY_REVOKED: "key_revoked",
        ChangeKind.KEY_CHANGED: "key_changed",
        ChangeKind.KEY_CREATED: "key_changed",
        ChangeKind.ACCOUNT_CHANGED: "account_changed",
        ChangeKind.ACCOUNT_CREATED: "account_changed",
        ChangeKind.USER_CHANGED: "user_changed",
        ChangeKind.USER_CREATED: "user_changed",
        ChangeKind.SESSION_REVOKED: "session_revoked",
    }[kind]
    assert (response.revision, response.WhichOneof("event")) == (7, told)
    event = getattr(response, told)
    assert event.account_id == ACCOUNT_ID
    assert getattr(event, "key_id", "") == key_id
    assert getattr(event, "user_id", "") == user_id
    assert getattr(event, "session_id", "") == session_id


def test_every_finding_has_a_code_on_the_wire() -> None:
    on_the_wire = set(explanation_pb2.FindingCode.keys()) - {"FINDING_CODE_UNSPECIFIED"}

    assert on_the_wire == {f"FINDING_CODE_{code.name}" for code in FindingCode}
