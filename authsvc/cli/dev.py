"""`authsvc dev`: the whole service on an embedded Postgres, from nothing, in one command."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from authsvc import app
from authsvc.cli.dev_guide import guide
from authsvc.cli.local_database import (
    ADMIN_KEY_FILE,
    DATABASE_URL_FILE,
    DEFAULT_DATA_DIR,
    DataDirOption,
    ensure_encryption_key,
    find_or_make_encryption_key,
    read_private,
    write_private,
)
from authsvc.cli.operator import operator_origin
from authsvc.cli.process import run_until_signal
from authsvc.config import InvalidSettings, Settings, load_settings
from authsvc.domain.accounts import Account
from authsvc.domain.errors import KeyNameTaken
from authsvc.domain.principals import Principal
from authsvc.domain.scopes import ADMIN, covers
from authsvc.listening import AddressInUse
from authsvc.logs import configure_logs, log_crashes
from authsvc.postgres import schema
from authsvc.postgres.embedded import EmbeddedPostgres
from authsvc.postgres.embedded.process import find_programs
from authsvc.usecases.question import Question

_DATABASE = "authsvc"
_ADMIN_KEY_NAME = "admin"
_COMMAND = "authsvc dev"
_ADDRESS_SETTING = "AUTHSVC_LISTEN_ADDRESS"


def dev(
    *,
    data_dir: DataDirOption = DEFAULT_DATA_DIR,
    address: Annotated[
        str,
        typer.Option("--address", envvar=_ADDRESS_SETTING, help="Where to serve, as host:port."),
    ] = "127.0.0.1:50051",
    postgres_bin: Annotated[
        Path | None,
        typer.Option(
            "--postgres-bin",
            envvar="AUTHSVC_POSTGRES_BIN",
            help="The directory of another PostgreSQL's programs than that of authsvc[embedded], "
            "such as /usr/lib/postgresql/17/bin.",
            show_default=False,
        ),
    ] = None,
    context: typer.Context,
) -> None:
    """Serve on an embedded Postgres, and print what to try. For development only.

    Everything is kept in the data directory: the database, the admin key, the encryption key.
    """
    # Bad settings are told before anything is made; the database's address is not known yet.
    try:
        settings = _load_settings("postgresql://embedded", "A" * 43 + "=", address)
    except InvalidSettings as error:
        source = context.get_parameter_source("address")
        is_setting = source is not None and source.name == "ENVIRONMENT"
        called = _ADDRESS_SETTING if is_setting else "--address"
        problems = [_in_words_of_dev(problem, called) for problem in error.problems]
        raise InvalidSettings(problems) from None
    programs = find_programs(postgres_bin)
    encryption_key = find_or_make_encryption_key(data_dir)
    configure_logs(settings.log_level, settings.log_format, secrets=[encryption_key])
    log_crashes()

    async def main(stop: asyncio.Event) -> None:
        async with EmbeddedPostgres(data_dir, programs=programs) as postgres:
            await _create_database(postgres)
            url = postgres.url(_DATABASE)
            write_private(data_dir / DATABASE_URL_FILE, f"{url}\n")
            await schema.migrate(url)
            settings = _load_settings(url, ensure_encryption_key(data_dir, encryption_key), address)
            try:
                await _serve(settings, data_dir, programs, stop)
            except AddressInUse as error:
                if error.setting != _ADDRESS_SETTING:
                    raise
                choices = f"--address or {_ADDRESS_SETTING}"
                raise AddressInUse(error.address, choices) from error

    run_until_signal(main)


def _load_settings(database_url: str, encryption_key: str, address: str) -> Settings:
    return load_settings(
        database_url=database_url,
        encryption_key=encryption_key,
        listen_address=address,
        # What is printed to try speaks plaintext.
        tls_certificate_file=None,
        tls_key_file=None,
        mtls_listen_address=None,
        tls_client_ca_file=None,
        certificate_callers_file=None,
    )


def _in_words_of_dev(problem: str, called: str) -> str:
    """Return what is wrong, with the address named as it was given."""
    setting, _, text = problem.partition(": ")
    if setting != _ADDRESS_SETTING:
        return problem
    if text.startswith("is not a loopback address"):
        text = (
            "is not a loopback address, and without TLS keys would travel readable: use 127.0.0.1, "
            "or, where nobody else listens, as within a container, AUTHSVC_ALLOW_PLAINTEXT=true"
        )
    return f"{called}: {text}"


async def _create_database(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.url())
    try:
        exists = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", _DATABASE
        )
        if not exists:
            await connection.execute(f'CREATE DATABASE "{_DATABASE}"')
    finally:
        await connection.close()


async def _serve(settings: Settings, data_dir: Path, programs: Path, stop: asyncio.Event) -> None:
    async with app.open_parts(settings) as parts:
        origin = operator_origin(_COMMAND)
        system = await parts.bootstrap.prepare(origin, app.time_limit())
        account = await parts.bootstrap.default_account(origin, app.time_limit())
        await _ensure_admin_key(parts, system, data_dir / ADMIN_KEY_FILE)
        await app.serve(
            parts,
            stop,
            lambda served: typer.echo(
                guide(
                    served.grpc,
                    data_dir,
                    account.account_id,
                    programs=programs,
                    http_address=served.http,
                )
            ),
        )


async def _ensure_admin_key(parts: app.Parts, system: Account, path: Path) -> None:
    """Keep the admin key of the file while it is good; else put a new one there."""
    present = read_private(path)
    if present:
        verdict = await parts.judging.judge(Question(present), app.time_limit())
        if isinstance(verdict.outcome, Principal) and covers(verdict.outcome.scopes, ADMIN):
            return
    name, number = _ADMIN_KEY_NAME, 1
    while True:
        try:
            issued = await parts.bootstrap.create_admin_key(
                system, name, operator_origin(_COMMAND), app.time_limit()
            )
        except KeyNameTaken:
            number += 1
            name = f"{_ADMIN_KEY_NAME}-{number}"
        else:
            write_private(path, f"{issued.secret.reveal()}\n")
            return
