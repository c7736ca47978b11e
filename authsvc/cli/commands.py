"""All commands, and how they end: exit code 0, or one message and exit code 1.

Wrong usage ends with 2, and a denied credential with 3 (`authsvc key validate`, `authsvc explain`).
"""

from __future__ import annotations

import importlib
import io
import sys
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer
import typer.core

from authsvc.cli.failures import explain
from authsvc.redaction import redaction
from authsvc.version import VERSION

# Where each command is, in the order of the help.
_COMMANDS: Final = MappingProxyType(
    {
        "dev": "authsvc.cli.dev",
        "serve": "authsvc.cli.server",
        "migrate": "authsvc.cli.server",
        "bootstrap": "authsvc.cli.server",
        "maintenance": "authsvc.cli.maintenance",
        "config": "authsvc.cli.server",
        "health": "authsvc.cli.health",
        "key": "authsvc.cli.key_management",
        "explain": "authsvc.cli.explain",
        "account": "authsvc.cli.account",
        "user": "authsvc.cli.user",
        "session": "authsvc.cli.session",
        "audit": "authsvc.cli.audit",
        "token": "authsvc.cli.token",
        "keyring": "authsvc.cli.keyring",
    }
)


class _Commands(typer.core.TyperGroup):
    """Loads a command when it is used: `authsvc key` starts four times faster without a server."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(_COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - the same
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name])
        group = getattr(module, cmd_name, None)
        if group is None:
            return typer.main.get_command(module.app)
        single = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        single.command(cmd_name)(group)
        return typer.main.get_command(single)


app = typer.Typer(
    name="authsvc",
    cls=_Commands,
    help="Tells services over gRPC whether a credential is good, whose it is and what it may do.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"authsvc {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Hold the options that come before any command."""


def run() -> None:
    """Run the command line; what a person can mend ends in one message and exit code 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal without some letter must not cost a key that is shown only once.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        # It may have the words of a library in it, which had the database's URL.
        typer.secho(f"authsvc: {redaction()(message)}", err=True, fg=typer.colors.RED)
        sys.exit(1)
