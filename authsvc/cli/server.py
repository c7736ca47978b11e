"""`authsvc serve`, `migrate`, `bootstrap` and `config`: the service and its database."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer
import uvloop

from authsvc import app
from authsvc.cli.command_logs import log_as_set
from authsvc.cli.failures import Failure
from authsvc.cli.operator import operator_origin
from authsvc.cli.output import JsonOption, print_json
from authsvc.cli.process import run_until_signal
from authsvc.config import Settings, load_database_url, load_settings
from authsvc.config_values import LogFormat, LogLevel
from authsvc.configuration_reference import configuration_reference
from authsvc.domain.errors import KeyNameTaken
from authsvc.logs import configure_logs, log_crashes
from authsvc.postgres import schema
from authsvc.postgres.grants import grant
from authsvc.supervisor import (
    WORKER_VARIABLE,
    place_of_worker,
    stop_with_supervisor,
    supervise,
)
from authsvc.usecases.issue_key import IssuedKey


def serve() -> None:
    """Serve, as the AUTHSVC_* settings say (see `authsvc config`)."""
    settings = load_settings()
    worker = os.environ.get(WORKER_VARIABLE)
    is_worker = worker is not None
    log_as_set(settings, worker=worker)
    log_crashes()
    if settings.worker_count > 1 and not is_worker:
        run_until_signal(lambda stop: _supervise(settings, stop))
        return

    async def main(stop: asyncio.Event) -> None:
        if is_worker:
            stop_with_supervisor(stop)
        async with app.open_parts(settings) as parts:
            await app.serve(parts, stop, place=place_of_worker())

    # For a worker, who is in a hurry is its supervisor, and that can kill it.
    run_until_signal(main, second_cuts=not is_worker)


async def _supervise(settings: Settings, stop: asyncio.Event) -> None:
    await app.check_start(settings)
    await supervise(settings, stop)


def migrate(
    revision: Annotated[
        str, typer.Argument(help="head, base (nothing at all), or a revision such as 0001.")
    ] = "head",
    *,
    show: Annotated[
        bool, typer.Option("--show", help="Print the present revision and change nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Go back to an older revision, losing data.")
    ] = False,
    grants: Annotated[
        str,
        typer.Option(
            "--grants",
            metavar="ROLE",
            help="Let this database role do what servers do, and nothing else in the schema.",
        ),
    ] = "",
) -> None:
    """Bring the database of AUTHSVC_DATABASE_URL to a revision of the schema.

    Safe to run from several replicas at once, and while servers run.
    """
    url = load_database_url()
    configure_logs(LogLevel.WARNING, LogFormat.AUTO)
    found = uvloop.run(schema.current_revision(url))
    if show:
        typer.echo(f"{found} (newest: {schema.newest_revision()})")
        return
    if not force and schema.goes_back(found, revision):
        raise Failure(
            f"going back from {found} to {revision} drops what the later revisions keep; "
            "back up the database, then say --force"
        )
    reached = uvloop.run(schema.migrate(url, revision))
    typer.echo(f"schema at {reached}" if found == reached else f"schema: {found} -> {reached}")
    if grants:
        more = uvloop.run(grant(url, grants))
        typer.echo(f"{grants} may do what servers do in schema authsvc, and nothing else there")
        for right in more:
            typer.echo(f"{grants} also has, by itself or through PUBLIC: {right}")


def bootstrap(
    *,
    key_name: Annotated[str, typer.Option(help="What people will know the key by.")] = "admin",
    as_json: JsonOption = False,
) -> None:
    """Make what a new database needs, and print its first admin key, this once.

    With another --key-name it makes one more admin key, should the first be lost.
    """
    settings = load_settings()
    log_as_set(settings)
    issued = uvloop.run(_bootstrap(settings, key_name))
    if as_json:
        print_json(
            {
                "key_id": issued.key.key_id,
                "account_id": issued.key.account_id,
                "secret": issued.secret.reveal(),
            }
        )
        return
    typer.echo("The admin key, shown this once and stored nowhere:\n")
    typer.echo(f"  {issued.secret.reveal()}\n")
    typer.echo(f"It is {issued.key.key_id} of the system account {issued.key.account_id}.")
    typer.echo("Next: `authsvc serve`, then, with it in AUTHSVC_API_KEY, `authsvc account create`.")


async def _bootstrap(settings: Settings, key_name: str) -> IssuedKey:
    origin = operator_origin("authsvc bootstrap")
    async with app.open_parts(settings) as parts:
        system = await parts.bootstrap.prepare(origin, app.time_limit())
        try:
            return await parts.bootstrap.create_admin_key(
                system, key_name, origin, app.time_limit()
            )
        except KeyNameTaken:
            raise Failure(
                f"the database is bootstrapped: its system account has a key named {key_name!r}. "
                "If that key is lost, make another one with --key-name"
            ) from None


def config() -> None:
    """Print the reference of all settings (docs/configuration.md)."""
    typer.echo(configuration_reference(), nl=False)
