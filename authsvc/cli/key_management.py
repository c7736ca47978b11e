"""`authsvc key get` and `list`, through a running server; the other commands join them here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.key import app
from authsvc.cli.key_import import import_keys
from authsvc.cli.key_incidents import report_leak, revoke_all
from authsvc.cli.key_options import AccountOption, KeyArgument, asking_for_account, parse_duration
from authsvc.cli.key_output import key_fields
from authsvc.cli.key_update import update
from authsvc.cli.output import JsonOption, print_fields, print_json, print_rows
from orchestrator.auth import KeyState

app.command("import")(import_keys)
app.command("revoke-all")(revoke_all)
app.command("report-leak")(report_leak)


@app.command("get")
@with_connection
def get(
    connection: Connection,
    key_id: KeyArgument,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show a key, without its secret."""
    with connection.open_client() as client:
        key = client.get_key(key_id)
    if as_json:
        print_json(key)
    else:
        print_fields("Key.", key_fields(key) | {"etag": key.etag})


@app.command("list")
@with_connection
def list_keys(
    connection: Connection,
    *,
    account: AccountOption = None,
    state: Annotated[
        list[KeyState] | None,
        typer.Option(help="Only keys in this state; repeatable.", case_sensitive=False),
    ] = None,
    name_prefix: Annotated[str, typer.Option(help="Only keys whose name begins so.")] = "",
    unused_for: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration,
            metavar="DURATION",
            help="Only keys not used for so long: 90d, 12h, …",
        ),
    ] = None,
    expiring_within: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration,
            metavar="DURATION",
            help="Only keys that end within this time, or have ended: 14d, …",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the keys of an account, oldest first, revoked ones too."""
    if KeyState.UNKNOWN in (state or ()):
        raise typer.BadParameter("give --state as active, disabled, expired or revoked")
    now = datetime.now(UTC)
    with connection.open_client() as client, asking_for_account(account, "list keys"):
        keys = list(
            client.list_keys(
                account_id=account,
                states=state or (),
                name_prefix=name_prefix,
                last_used_before=None if unused_for is None else now - unused_for,
                expiring_before=None if expiring_within is None else now + expiring_within,
            )
        )
    if as_json:
        print_json(keys)
        return
    print_rows(
        ("KEY", "STATE", "HINT", "CREATED", "EXPIRES", "LAST USED", "NAME"),
        [
            (k.key_id, k.state, k.hint, k.create_time, k.expire_time, k.last_use_time, k.name)
            for k in keys
        ],
        empty="There are no keys.",
    )


app.command("update")(update)
