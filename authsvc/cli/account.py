"""`authsvc account`: create and list accounts, see their usage, through a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from authsvc.cli.connection import (
    DEFAULT_ADDRESS,
    AddressOption,
    ApiKeyFileOption,
    CertificatesOption,
    PlaintextOption,
    open_client,
)
from authsvc.cli.output import JsonOption, print_fields, print_json, print_rows
from authsvc.cli.usage import account_usage

app = typer.Typer(
    name="account",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Create and list accounts, and see how their keys are used.",
)


@app.command("create")
def create(
    display_name: Annotated[str, typer.Argument(help="The name that people see.")],
    *,
    as_json: JsonOption = False,
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CertificatesOption = None,
) -> None:
    """Create an account."""
    with open_client(address, api_key_file, ca_file, plaintext=plaintext) as client:
        account = client.create_account(display_name)
    if as_json:
        print_json(account)
        return
    print_fields(
        "Account created.",
        {
            "account": account.account_id,
            "name": account.display_name,
            "state": account.state,
            "created": account.create_time,
        },
    )


@app.command("list")
def list_accounts(
    *,
    as_json: JsonOption = False,
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CertificatesOption = None,
) -> None:
    """List all accounts, oldest first."""
    with open_client(address, api_key_file, ca_file, plaintext=plaintext) as client:
        accounts = list(client.list_accounts())
    if as_json:
        print_json(accounts)
        return
    print_rows(
        ("ACCOUNT", "STATE", "CREATED", "NAME"),
        [(a.account_id, a.state, a.create_time, a.display_name) for a in accounts],
    )


app.command("usage")(account_usage)
