"""`authsvc audit`: the audit log, through a running server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Final

import typer

from authsvc.cli.audit_output import COLUMNS, audit_row
from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.key_options import asking_for_account, parse_duration
from authsvc.cli.output import JsonOption, print_json, print_rows
from orchestrator.auth import OutcomeClass

DEFAULT_LIMIT: Final = 100
_MAX_PAGE_SIZE: Final = 1000

app = typer.Typer(
    name="audit",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Show who did what, and who was refused.",
)


@app.callback()
def _group() -> None:
    """Keep `list` a command of its own, with others to come beside it."""


@app.command("list")
@with_connection
def list_events(
    connection: Connection,
    *,
    account: Annotated[
        str | None,
        typer.Option(
            help="The account (acct_…). Optional with a key of that account, and for "
            "authsvc:admin, who then sees all of them."
        ),
    ] = None,
    actor: Annotated[
        str | None, typer.Option(help="Only what this key (key_…) or user did.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Only what was done to this key or account.")
    ] = None,
    action: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this: CreateKey, RevokeKey, …; repeatable."),
    ] = None,
    denied: Annotated[bool, typer.Option("--denied", help="Only what was refused.")] = False,
    since: Annotated[
        timedelta | None,
        typer.Option(parser=parse_duration, metavar="DURATION", help="Only of the last 24h, 7d, …"),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="How many to show, the newest.")
    ] = DEFAULT_LIMIT,
    as_json: JsonOption = False,
) -> None:
    """List what was done to keys, accounts and users, and what was refused, newest first."""
    with (
        connection.open_client() as client,
        asking_for_account(account, "see what was done to keys"),
    ):
        found = client.list_audit_events(
            account_id=account,
            actor_id=actor,
            target_id=target,
            actions=action or (),
            outcome=OutcomeClass.DENIED if denied else None,
            start_time=None if since is None else datetime.now(UTC) - since,
            page_size=min(limit + 1, _MAX_PAGE_SIZE),
        )
        events = list(islice(found, limit + 1))
    more, events = len(events) > limit, events[:limit]
    if as_json:
        print_json(events)
    else:
        print_rows(COLUMNS, map(audit_row, events), empty="There are no such events.")
    if more:
        typer.echo(f"There are older ones; --limit shows more than {limit}.", err=True)
