"""`authsvc keyring`: the keys that sign access tokens.

`list` and `reencrypt` go to the database itself, with the encryption key: they tell and change what
is sealed how. `rotate` goes through a running server.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from authsvc.cli.command_logs import log_as_set
from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.local_database import (
    DEFAULT_DATA_DIR,
    DataDirOption,
    in_words_of_dev,
    load_local_settings,
)
from authsvc.cli.operator import operator_origin
from authsvc.cli.output import JsonOption, as_text, print_json, print_rows
from orchestrator.auth import RotatedSigningKey, SigningKeyRotationUrgency, SigningKeyState

app = typer.Typer(
    name="keyring",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="See, rotate and re-encrypt the keys that sign access tokens.",
)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A key as `list` shows it."""

    kid: str
    algorithm: str
    state: str
    create_time: datetime
    activate_time: datetime
    retire_time: datetime | None
    sealed_under: str


@app.command("list")
def list_keys(*, data_dir: DataDirOption = DEFAULT_DATA_DIR, as_json: JsonOption = False) -> None:
    """List all signing keys, and under which encryption key each is sealed.

    Reads the database of the running `authsvc dev` of the data directory, or, when
    AUTHSVC_DATABASE_URL is set, that one, with AUTHSVC_ENCRYPTION_KEY.
    """
    with in_words_of_dev(data_dir):
        listed = uvloop.run(_list(data_dir))
    if as_json:
        print_json(listed)
        return
    print_rows(
        ["KEY", "ALGORITHM", "STATE", "SIGNS FROM", "VERIFIES UNTIL", "SEALED UNDER"],
        (
            [
                key.kid,
                key.algorithm,
                key.state,
                key.activate_time,
                key.retire_time or "-",
                key.sealed_under,
            ]
            for key in listed
        ),
        empty="There are no signing keys.",
    )


async def _list(data_dir: Path) -> list[_Listed]:
    from authsvc.app import open_parts, time_limit, utc_now  # noqa: PLC0415 - loads the server
    from authsvc.domain.signing_keys import lives_of  # noqa: PLC0415

    settings = load_local_settings(data_dir)
    log_as_set(settings)
    async with open_parts(settings) as parts:
        keys = await parts.signing.store.list_signing_keys(time_limit())
        now = utc_now()
        return [
            _Listed(
                kid=life.key.kid,
                algorithm=life.key.algorithm,
                state=life.state(now),
                create_time=life.key.create_time,
                activate_time=life.key.activate_time,
                retire_time=life.retire_time,
                sealed_under=parts.signing.stored_keys.seal_of(life.key),
            )
            for life in lives_of(keys, settings.leeway)
        ]


@app.command("rotate")
@with_connection
def rotate(
    connection: Connection,
    *,
    compromised: Annotated[
        bool,
        typer.Option(
            "--compromised",
            help="A key may be known to others: the new one signs at once, and all tokens of all "
            "other keys end.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the next signing key. It signs after AUTHSVC_SIGNING_KEY_LEAD, and nobody notices.

    While a key waits to sign already, that one is shown and no other made. After a compromise it
    asks first. Needs a key with authsvc:admin.
    """
    words = SigningKeyRotationUrgency
    urgency = words.COMPROMISED if compromised else words.SCHEDULED
    with connection.open_client() as client:
        if compromised and not yes:
            typer.confirm(
                "This ends all tokens that were signed so far: everybody needs a new one. Go on?",
                abort=True,
                err=True,
            )
        rotated = client.rotate_signing_key(urgency)
    if as_json:
        print_json(rotated)
        return
    for line in _describe(rotated):
        typer.echo(line)


def _describe(rotated: RotatedSigningKey) -> list[str]:
    key = rotated.key
    if key.state is SigningKeyState.PUBLISHED:
        return [
            f"{key.kid} ({key.algorithm}) is published. It signs from {as_text(key.activate_time)}."
        ]
    ended = [
        f"{kid} has ended, and with it every token that it signed." for kid in rotated.ended_kids
    ]
    return [f"{key.kid} ({key.algorithm}) signs now.", *ended]


@app.command("reencrypt")
def reencrypt(*, data_dir: DataDirOption = DEFAULT_DATA_DIR, as_json: JsonOption = False) -> None:
    """Seal all signing keys under AUTHSVC_ENCRYPTION_KEY. Safe to repeat.

    What is sealed under another key needs that one in AUTHSVC_ENCRYPTION_KEY_PREVIOUS. Every
    server must know the new key before: docs/signing-keys.md has the order.
    """
    with in_words_of_dev(data_dir):
        resealed, current = uvloop.run(_reencrypt(data_dir))
    if as_json:
        print_json({"resealed": resealed, "current": current})
        return
    typer.echo(
        f"{_keys(len(resealed))} sealed anew; {_keys(len(current))} sealed under the present "
        "encryption key already."
    )


async def _reencrypt(data_dir: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    from authsvc.app import open_parts, time_limit  # noqa: PLC0415 - loads the server

    settings = load_local_settings(data_dir)
    log_as_set(settings)
    async with open_parts(settings) as parts:
        done = await parts.signing.reencrypt(
            operator_origin("authsvc keyring reencrypt"), time_limit()
        )
    return done.resealed, done.current


def _keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count} keys"
