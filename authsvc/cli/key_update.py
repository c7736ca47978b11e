"""`authsvc key update`, through a running server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer

from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.key import parse_metadata
from authsvc.cli.key_options import KeyArgument, parse_duration, parse_rate_limit
from authsvc.cli.key_output import key_fields
from authsvc.cli.output import JsonOption, print_fields, print_json
from orchestrator.auth import UNSET, RateLimit, Unset

T = TypeVar("T")
U = TypeVar("U")


@with_connection
def update(
    connection: Connection,
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
    allow_address: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="An IP address or network, like 192.0.2.0/24, that it may be used from, instead "
            "of those it had; repeatable.",
        ),
    ] = None,
    any_address: Annotated[
        bool, typer.Option("--any-address", help="Let it be used from anywhere.")
    ] = False,
    rate_limit: Annotated[
        RateLimit | None,
        typer.Option(
            parser=parse_rate_limit, metavar="RATE", help="How often it may be used: 100/min, …"
        ),
    ] = None,
    no_rate_limit: Annotated[
        bool, typer.Option("--no-rate-limit", help="Take its rate limit away.")
    ] = False,
    etag: Annotated[
        str | None, typer.Option(help="Change it only if this is still its etag.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a key. What is not named stays as it is."""
    new_name, scopes = _given(name), _given(scope)
    expire_time = _either(
        "--ttl",
        UNSET if ttl is None else datetime.now(UTC) + ttl,
        "--no-expiry",
        None if no_expiry else UNSET,
    )
    notes = UNSET if metadata is None else parse_metadata(metadata)
    disabled = _either(
        "--enable", False if enable else UNSET, "--disable", True if disable else UNSET
    )
    addresses = _either(
        "--allow-address", _given(allow_address), "--any-address", () if any_address else UNSET
    )
    limit = _either(
        "--rate-limit", _given(rate_limit), "--no-rate-limit", None if no_rate_limit else UNSET
    )
    changes = (new_name, scopes, expire_time, notes, disabled, addresses, limit)
    if all(change is UNSET for change in changes):
        raise typer.BadParameter("say what to change: see --help")
    with connection.open_client() as client:
        updated = client.update_key(
            key_id,
            name=new_name,
            scopes=scopes,
            expire_time=expire_time,
            metadata=notes,
            disabled=disabled,
            allowed_addresses=addresses,
            rate_limit=limit,
            etag=etag,
        )
    if as_json:
        print_json(updated)
    else:
        print_fields("Key changed.", key_fields(updated.key))


def _given(value: T | None) -> T | Unset:
    return UNSET if value is None else value


def _either(option: str, value: T | Unset, other: str, other_value: U | Unset) -> T | U | Unset:
    """Return what one of two options says; UNSET when neither is given.

    Raises:
        typer.BadParameter: Both are given.
    """
    if isinstance(value, Unset):
        return other_value
    if not isinstance(other_value, Unset):
        raise typer.BadParameter(f"give either {option} or {other}")
    return value
