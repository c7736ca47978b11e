"""`authsvc session`: where people are logged in, and how to log them out, through a server."""

from __future__ import annotations

from typing import Annotated

import typer

from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.output import JsonOption, print_fields, print_json, print_rows
from orchestrator.auth import Session

app = typer.Typer(
    name="session",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="List the sessions of users, and end them.",
)

UserArgument = Annotated[
    str | None,
    typer.Argument(help="The user (user_…). Optional with an access token of its own."),
]


@app.command("list")
@with_connection
def list_sessions(
    connection: Connection,
    user_id: UserArgument = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List where a user is logged in, oldest first."""
    with connection.open_client() as client:
        sessions = list(client.list_sessions(user_id))
    if as_json:
        print_json(sessions)
        return
    print_rows(
        ("SESSION", "LOGGED IN", "LAST SEEN", "ENDS", "FROM", "LAST FROM", "USER AGENT"),
        [
            (
                s.session_id,
                s.create_time,
                s.last_seen_time,
                s.idle_expire_time,
                s.client_ip or "-",
                s.last_seen_client_ip or "-",
                _printable(s.user_agent) + (" (this one)" if s.is_current else ""),
            )
            for s in sessions
        ],
        empty="There are no sessions.",
    )


@app.command("revoke")
@with_connection
def revoke(
    connection: Connection,
    session_id: Annotated[
        str | None,
        typer.Argument(
            help="The session (sess_…). Optional with an access token, which then ends its own."
        ),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """End a session: its tokens are denied at once."""
    with connection.open_client() as client:
        revoked = client.revoke_session(session_id)
    if as_json:
        print_json(revoked)
    else:
        print_fields("Session ended.", _fields(revoked.session))


@app.command("revoke-all")
@with_connection
def revoke_all(
    connection: Connection,
    user_id: UserArgument = None,
    *,
    keep: Annotated[
        str | None, typer.Option("--except", help="A session (sess_…) that goes on.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """End all sessions of a user: log out everywhere."""
    with connection.open_client() as client:
        revoked = client.revoke_all_sessions(user_id, except_session_id=keep)
    if as_json:
        print_json(revoked)
    elif not revoked.count:
        typer.echo("There was no session to end.")
    else:
        typer.echo(f"{revoked.count} {'session' if revoked.count == 1 else 'sessions'} ended.")


def _fields(session: Session) -> dict[str, object]:
    return {
        "session": session.session_id,
        "user": session.user_id,
        "account": session.account_id,
        "state": session.state,
        "logged in": session.create_time,
        "last seen": session.last_seen_time,
        "ended": session.end_time,
        "why": session.end_reason,
        "from": session.client_ip,
        "user agent": _printable(session.user_agent),
    }


def _printable(text: str) -> str:
    """Return a text that says nothing to the terminal: whoever logs in has chosen it."""
    return "".join(c if c.isprintable() else "?" for c in text)
