"""`authsvc session`: where people are logged in, and how to log them out, through a server."""

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
def list_sessions(
    user_id: UserArgument = None,
    *,
    as_json: JsonOption = False,
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CertificatesOption = None,
) -> None:
    """List where a user is logged in, oldest first."""
    with open_client(address, api_key_file, ca_file, plaintext=plaintext) as client:
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
    )


@app.command("revoke")
def revoke(
    session_id: Annotated[
        str | None,
        typer.Argument(
            help="The session (sess_…). Optional with an access token, which then ends its own."
        ),
    ] = None,
    *,
    as_json: JsonOption = False,
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CertificatesOption = None,
) -> None:
    """End a session: its tokens are denied at once."""
    with open_client(address, api_key_file, ca_file, plaintext=plaintext) as client:
        revoked = client.revoke_session(session_id)
    if as_json:
        print_json(revoked)
    else:
        print_fields("Session ended.", _fields(revoked.session))


@app.command("revoke-all")
def revoke_all(
    user_id: UserArgument = None,
    *,
    keep: Annotated[
        str | None, typer.Option("--except", help="A session (sess_…) that goes on.")
    ] = None,
    as_json: JsonOption = False,
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CertificatesOption = None,
) -> None:
    """End all sessions of a user: log out everywhere."""
    with open_client(address, api_key_file, ca_file, plaintext=plaintext) as client:
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
