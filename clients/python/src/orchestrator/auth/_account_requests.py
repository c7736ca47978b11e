"""Builds the request messages of the calls for accounts. Depends on protobuf."""

from __future__ import annotations

from orchestrator.auth._enums import AccountState
from orchestrator.auth._model import Unset
from orchestrator.auth.v1 import account_pb2, account_service_pb2


def create_account(display_name: str) -> account_service_pb2.CreateAccountRequest:
    """Build the request of CreateAccount."""
    return account_service_pb2.CreateAccountRequest(display_name=display_name)


def get_account(account_id: str) -> account_service_pb2.GetAccountRequest:
    """Build the request of GetAccount."""
    return account_service_pb2.GetAccountRequest(account_id=account_id)


def list_accounts(page_size: int, page_token: str) -> account_service_pb2.ListAccountsRequest:
    """Build the request of ListAccounts for one page."""
    return account_service_pb2.ListAccountsRequest(page_size=page_size, page_token=page_token)


def update_account(
    account_id: str,
    *,
    display_name: str | Unset,
    state: AccountState | Unset,
    etag: str | None,
) -> account_service_pb2.UpdateAccountRequest:
    """Build the request of UpdateAccount; what is not `UNSET` is named in the mask."""
    request = account_service_pb2.UpdateAccountRequest()
    request.account.account_id, request.account.etag = account_id, etag or ""
    paths = request.update_mask.paths
    if not isinstance(display_name, Unset):
        request.account.display_name = display_name
        paths.append("display_name")
    if not isinstance(state, Unset):
        if AccountState(state) is AccountState.UNKNOWN:
            raise ValueError("state is not an AccountState that can be sent")
        request.account.state = account_pb2.AccountState.Value(f"ACCOUNT_STATE_{state}")
        paths.append("state")
    return request
