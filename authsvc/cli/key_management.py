"""`authsvc key get`, `list` and `update`, through a running server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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
from authsvc.cli.key import app, parse_metadata
from authsvc.cli.key_options import asking_for_account, parse_duration
from authsvc.cli.key_output import key_fields
from authsvc.cli.output import JsonOption, print_fields, print_json, print_rows
from orchestrator.auth import UNSET, KeyState, Unset

KeyArgument = Annotated[str, typer.Argument(help="The key (key_…).")]


@app.command("get")
def get(
    key_id: KeyArgument,
    *,
    as_json: JsonOption = False,
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CertificatesOption = None,
) -> None:
    """Show a key, without its secret."""
    with open_client(address, api_key_file, ca_file, plaintext=plaintext) as client:
        key = client.get_key(key_id)
    if as_json:
        print_json(key)
    else:
        print_fields("Key.", key_fields(key) | {"etag": key.etag})


@app.command("list")
def list_keys(
    *,
    account: Annotated[
        str | None,
        typer.Option(help="The account (acct_…). Optional with a key of that account."),
    ] = None,
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
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CertificatesOption = None,
) -> None:
    """List the keys of an account, oldest first, revoked ones too."""
    if KeyState.UNKNOWN in (state or ()):
        raise typer.BadParameter("give --state as active, disabled, expired or revoked")
    now = datetime.now(UTC)
    with (
        open_client(address, api_key_file, ca_file, plaintext=plaintext) as client,
        asking_for_account(account, "list"),
    ):
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
    )


@app.command("update")
def update(
    key_id: KeyArgument,
    *,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="What it may do, instead of what it had; repeatable."),
    ] = None,
    ttl: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration, metavar="DURATION", help="How long it lives from now: 90d, …"
        ),
    ] = None,
    no_expiry: Annotated[
        bool, typer.Option("--no-expiry", help="Let it live until it is revoked.")
    ] = False,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A note, instead of those it had; repeatable."),
    ] = None,
    enable: Annotated[bool, typer.Option("--enable", help="Switch it on.")] = False,
    disable: Annotated[bool, typer.Option("--disable", help="Switch it off.")] = False,
    etag: Annotated[
        str | None, typer.Option(help="Change it only if this is still its etag.")
    ] = None,
    as_json: JsonOption = False,
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CertificatesOption = None,
) -> None:
    """Change a key. What is not named stays as it is."""
    if ttl is not None and no_expiry:
        raise typer.BadParameter("give either --ttl or --no-expiry")
    if enable and disable:
        raise typer.BadParameter("give either --enable or --disable")
    disabled = disable if enable or disable else UNSET
    expire_time: datetime | Unset | None = None if no_expiry else UNSET
    if ttl is not None:
        expire_time = datetime.now(UTC) + ttl
    if (name, scope, metadata, disabled, expire_time) == (None, None, None, UNSET, UNSET):
        raise typer.BadParameter("say what to change: see --help")
    notes = None if metadata is None else parse_metadata(metadata)
    with open_client(address, api_key_file, ca_file, plaintext=plaintext) as client:
        updated = client.update_key(
            key_id,
            name=UNSET if name is None else name,
            scopes=UNSET if scope is None else scope,
            expire_time=expire_time,
            metadata=UNSET if notes is None else notes,
            disabled=disabled,
            etag=etag,
        )
    if as_json:
        print_json(updated)
    else:
        print_fields("Key changed.", key_fields(updated.key))
