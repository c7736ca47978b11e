"""Reads the response messages of the calls for accounts. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.auth import _account_model, _enums, _from_wire
from orchestrator.auth._errors import MalformedResponse
from orchestrator.auth.v1 import account_pb2

if TYPE_CHECKING:
    from orchestrator.auth.v1 import account_service_pb2

_ACCOUNT_STATES: Final = _from_wire.table(
    _enums.AccountState, account_pb2.AccountState.items(), "ACCOUNT_STATE_"
)


def account(
    response: account_service_pb2.CreateAccountResponse | account_service_pb2.GetAccountResponse,
) -> _account_model.Account:
    """Read the response of CreateAccount or GetAccount."""
    _from_wire.require(response, "account")
    return _account(response.account)


def updated_account(
    response: account_service_pb2.UpdateAccountResponse,
) -> _account_model.UpdatedAccount:
    """Read the response of UpdateAccount."""
    _from_wire.require(response, "account")
    return _account_model.UpdatedAccount(_account(response.account), response.revision)


def accounts(
    response: account_service_pb2.ListAccountsResponse, page_token: str
) -> tuple[list[_account_model.Account], str]:
    """Read a page of ListAccounts, asked for by `page_token`, and the token of the next.

    Raises:
        MalformedResponse: The page is to be followed by itself, for ever.
    """
    if response.next_page_token and response.next_page_token == page_token:
        raise MalformedResponse("a page of accounts names itself as the next one")
    return [_account(message) for message in response.accounts], response.next_page_token


def _account(message: account_pb2.Account) -> _account_model.Account:
    return _account_model.Account(
        account_id=message.account_id,
        display_name=message.display_name,
        state=_ACCOUNT_STATES.get(message.state, _enums.AccountState.UNKNOWN),
        create_time=_from_wire.moment(message, "create_time", message.create_time),
        etag=message.etag,
    )
