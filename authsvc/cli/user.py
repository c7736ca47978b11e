"""`authsvc user`: the users of accounts, through a running server."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.key_options import asking_for_account
from authsvc.cli.output import JsonOption, print_fields, print_json, print_rows
from authsvc.cli.passwords import read_changed_password, read_new_password
from orchestrator.auth import UNSET, User, UserRole

app = typer.Typer(
    name="user",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Create, list and change the users of accounts, and set their passwords.",
)


class Role(StrEnum):
    """The roles that can be given."""

    OWNER = "OWNER"
    MEMBER = "MEMBER"
    VIEWER = "VIEWER"


_OWN_BY_KEY: Final = (
    "--own is for the user itself: give its access token in AUTHSVC_API_KEY or with "
    "--api-key-file; without --own, an owner or an admin sets the password"
)

UserArgument = Annotated[str, typer.Argument(help="The user (user_…).")]
AccountOption = Annotated[
    str | None,
    typer.Option(help="The account (acct_…). Optional with an access token of its owner."),
]


@app.command("create")
@with_connection
def create(
    connection: Connection,
    email: Annotated[str, typer.Argument(help="The email address.")],
    *,
    name: Annotated[str, typer.Option(help="The name that people see.")],
    role: Annotated[Role, typer.Option(help="What it may do.", case_sensitive=False)],
    account: AccountOption = None,
    password: Annotated[
        bool,
        typer.Option(
            "--password",
            help="Read a password from standard input or a prompt. Without it the user has none, "
            "and cannot log in with one.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Create a user of an account."""
    with connection.open_client() as client, asking_for_account(account, "make users"):
        created = client.create_user(
            email,
            display_name=name,
            role=UserRole(role),
            account_id=account,
            password=read_new_password() if password else None,
        )
    if as_json:
        print_json(created)
    else:
        print_fields("User created.", _fields(created.user))


@app.command("get")
@with_connection
def get(
    connection: Connection,
    user_id: UserArgument,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show a user."""
    with connection.open_client() as client:
        user = client.get_user(user_id)
    if as_json:
        print_json(user)
    else:
        print_fields("User.", _fields(user) | {"etag": user.etag})


@app.command("list")
@with_connection
def list_users(
    connection: Connection,
    *,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the users of an account, oldest first."""
    with connection.open_client() as client, asking_for_account(account, "list users"):
        users = list(client.list_users(account_id=account))
    if as_json:
        print_json(users)
        return
    print_rows(
        ("USER", "ROLE", "STATE", "CREATED", "LAST LOGIN", "EMAIL", "NAME"),
        [
            (u.user_id, u.role, u.state, u.create_time, u.last_login_time, u.email, u.display_name)
            for u in users
        ],
        empty="There are no users.",
    )


@app.command("update")
@with_connection
def update(
    connection: Connection,
    user_id: UserArgument,
    *,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    role: Annotated[Role | None, typer.Option(help="Another role.", case_sensitive=False)] = None,
    enable: Annotated[bool, typer.Option("--enable", help="Switch it on.")] = False,
    disable: Annotated[
        bool,
        typer.Option("--disable", help="Switch it off: its tokens are denied, its sessions end."),
    ] = False,
    etag: Annotated[
        str | None, typer.Option(help="Change it only if this is still its etag.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a user. What is not named stays as it is."""
    if enable and disable:
        raise typer.BadParameter("give either --enable or --disable")
    if name is None and role is None and not (enable or disable):
        raise typer.BadParameter("say what to change: see --help")
    with connection.open_client() as client:
        updated = client.update_user(
            user_id,
            display_name=UNSET if name is None else name,
            role=UNSET if role is None else UserRole(role),
            disabled=disable if enable or disable else UNSET,
            etag=etag,
        )
    if as_json:
        print_json(updated)
    else:
        print_fields("User changed.", _fields(updated.user))


@app.command("set-password")
@with_connection
def set_password(
    connection: Connection,
    user_id: UserArgument,
    *,
    own: Annotated[
        bool,
        typer.Option(
            "--own",
            help="The caller is this user, with an access token: the current password is read "
            "too, before the new one.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Set a user's password, read from standard input or a prompt."""
    # Of other callers the service takes no current password.
    refusal = _OWN_BY_KEY if own else None
    with connection.open_client(key_refusal=refusal) as client:
        current, password = read_changed_password() if own else (None, read_new_password())
        changed = client.set_user_password(user_id, password, current_password=current)
    if as_json:
        print_json(changed)
    else:
        print_fields("Password set.", _fields(changed.user))


def _fields(user: User) -> dict[str, object]:
    return {
        "user": user.user_id,
        "account": user.account_id,
        "email": user.email,
        "name": user.display_name,
        "role": user.role,
        "state": user.state,
        "created": user.create_time,
        "last login": user.last_login_time,
        "password set": user.password_change_time or "never",
    }
