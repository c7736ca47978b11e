"""The command `authsvc`: run the service, prepare its database, manage keys."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from authsvc.cli import account, dev, key, server, token
from authsvc.cli.failures import explain
from authsvc.version import VERSION

app = typer.Typer(
    name="authsvc",
    help="Tells services over gRPC whether a credential is good, whose it is and what it may do.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
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


app.command("dev")(dev.dev)
app.command("serve")(server.serve)
app.command("migrate")(server.migrate)
app.command("bootstrap")(server.bootstrap)
app.command("config")(server.config)
app.add_typer(key.app, name="key")
app.add_typer(account.app, name="account")
app.add_typer(token.app, name="token")


def main() -> None:
    """Run the command line; what a person can mend ends in one message and exit code 1."""
    try:
        app()
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        typer.secho(f"authsvc: {message}", err=True, fg=typer.colors.RED)
        sys.exit(1)
