"""Builds the request messages of the calls for accounts. Depends on protobuf."""

from __future__ import annotations

from orchestrator.auth.v1 import account_service_pb2


def create_account(display_name: str) -> account_service_pb2.CreateAccountRequest:
    """Build the request of CreateAccount."""
    return account_service_pb2.CreateAccountRequest(display_name=display_name)


def get_account(account_id: str) -> account_service_pb2.GetAccountRequest:
    """Build the request of GetAccount."""
    return account_service_pb2.GetAccountRequest(account_id=account_id)


def list_accounts(page_size: int, page_token: str) -> account_service_pb2.ListAccountsRequest:
    """Build the request of ListAccounts for one page."""
    return account_service_pb2.ListAccountsRequest(page_size=page_size, page_token=page_token)
