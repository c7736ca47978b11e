"""`authsvc key rotate`: a successor for a key, through a running server."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.key_options import (
    KeyArgument,
    RequestIdOption,
    parse_duration,
    parse_overlap,
    request_id_text,
)
from authsvc.cli.key_output import print_new_key
from authsvc.cli.output import JsonOption, as_text, print_json
from orchestrator.auth import Key, KeyState


@with_connection
def rotate(
    connection: Connection,
    key_id: KeyArgument,
    *,
    overlap: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_overlap,
            metavar="DURATION",
            help="How long the old key goes on: 24h, 30m, … After a leak: 0. Default: 24h.",
        ),
    ] = None,
    ttl: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration,
            metavar="DURATION",
            help="How long the new key lives: 90d, 12h, … Default: as long as the old one was to.",
        ),
    ] = None,
    request_id: RequestIdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a key a successor and show its secret, this once. The old key goes on for a while."""
    with connection.open_client() as client:
        rotated = client.rotate_key(
            key_id, overlap=overlap, ttl=ttl, request_id=request_id_text(request_id)
        )
    if as_json:
        print_json(rotated)
        return
    print_new_key("Key rotated.", rotated.key, rotated.secret)
    typer.echo(describe_end(rotated.retired_key))


def describe_end(retired: Key) -> str:
    """Say until when the old key works, or that it does no longer."""
    if retired.state is KeyState.ACTIVE:
        return f"The old key, {retired.key_id}, works until {as_text(retired.expire_time)}."
    return f"The old key, {retired.key_id}, works no longer: it is {retired.state}."
