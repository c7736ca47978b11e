"""`authsvc account`: create, list, disable and enable accounts, see their usage."""

from __future__ import annotations

from typing import Annotated

import typer

from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.output import JsonOption, print_fields, print_json, print_rows
from authsvc.cli.usage import account_usage
from orchestrator.auth import Account, AccountState

app = typer.Typer(
    name="account",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Create, list, disable and enable accounts, and see how their keys are used.",
)

AccountArgument = Annotated[str, typer.Argument(help="The account (acct_…).")]


@app.command("create")
@with_connection
def create(
    connection: Connection,
    display_name: Annotated[str, typer.Argument(help="The name that people see.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Create an account."""
    with connection.open_client() as client:
        account = client.create_account(display_name)
    if as_json:
        print_json(account)
        return
    _print_account("Account created.", account)


@app.command("list")
@with_connection
def list_accounts(
    connection: Connection,
    *,
    as_json: JsonOption = False,
) -> None:
    """List all accounts, oldest first."""
    with connection.open_client() as client:
        accounts = list(client.list_accounts())
    if as_json:
        print_json(accounts)
        return
    print_rows(
        ("ACCOUNT", "STATE", "CREATED", "NAME"),
        [(a.account_id, a.state, a.create_time, a.display_name) for a in accounts],
        empty="There are no accounts.",
    )


@app.command("disable")
@with_connection
def disable(
    connection: Connection,
    account_id: AccountArgument,
    *,
    as_json: JsonOption = False,
) -> None:
    """Disable an account: all its keys and tokens are denied at once, until it is enabled.

    The sessions of its users end, and they log in anew when it is enabled.
    """
    with connection.open_client() as client:
        updated = client.update_account(account_id, state=AccountState.DISABLED)
    if as_json:
        print_json(updated)
    else:
        _print_account("Account disabled.", updated.account)


@app.command("enable")
@with_connection
def enable(
    connection: Connection,
    account_id: AccountArgument,
    *,
    as_json: JsonOption = False,
) -> None:
    """Enable a disabled account: its keys and tokens are judged on their own merits again."""
    with connection.open_client() as client:
        updated = client.update_account(account_id, state=AccountState.ACTIVE)
    if as_json:
        print_json(updated)
    else:
        _print_account("Account enabled.", updated.account)


app.command("usage")(account_usage)


def _print_account(title: str, account: Account) -> None:
    print_fields(
        title,
        {
            "account": account.account_id,
            "name": account.display_name,
            "state": account.state,
            "created": account.create_time,
        },
    )
