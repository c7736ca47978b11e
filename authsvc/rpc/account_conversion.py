"""Between wire messages and domain values, for accounts, and nothing else."""

from __future__ import annotations

from typing import Final

from authsvc.domain.accounts import Account, AccountState
from authsvc.rpc.masks import paths_set_in
from authsvc.rpc.time_conversion import timestamp
from authsvc.usecases import update_account
from authsvc.usecases.update_account import UpdateAccountCommand
from orchestrator.auth.v1 import account_pb2, account_service_pb2

_ACCOUNT_STATES: Final = {
    account_pb2.AccountState.Value(f"ACCOUNT_STATE_{state}"): state for state in AccountState
}


def update_account_command(
    request: account_service_pb2.UpdateAccountRequest,
) -> UpdateAccountCommand:
    """Convert a request of UpdateAccount."""
    account = request.account
    return UpdateAccountCommand(
        account_id=account.account_id,
        paths=tuple(request.update_mask.paths) or paths_set_in(account, update_account.PATHS),
        etag=account.etag,
        display_name=account.display_name,
        state=_ACCOUNT_STATES.get(account.state),
    )


def account_message(account: Account) -> account_pb2.Account:
    """Convert an account."""
    return account_pb2.Account(
        account_id=account.account_id,
        display_name=account.display_name,
        state=account_pb2.AccountState.Value(f"ACCOUNT_STATE_{account.state}"),
        create_time=timestamp(account.create_time),
        etag=account.etag,
    )
