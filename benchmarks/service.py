"""The real service from nothing: schema, first keys, `authsvc serve`, on an embedded Postgres.

Depends on the embedded Postgres, the command line of authsvc and the Python client.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from authsvc.domain.scopes import KEYS, VALIDATE
from authsvc.postgres.embedded import EmbeddedPostgres
from benchmarks.bulk_keys import BulkKeys
from benchmarks.database import connected
from benchmarks.errors import WrongAnswer
from benchmarks.processes import Server, find_events, output_of, serving
from orchestrator.auth import AsyncAuthClient

USER_ID: Final = "user_benchmark"

_COMMAND_SECONDS: Final = 60.0
_AUTHSVC: Final = (sys.executable, "-m", "authsvc")


@dataclass(frozen=True, slots=True)
class Service:
    """The service on a database of its own, and the credentials to load it with."""

    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    server: Server
    account_id: str
    key_id: str
    caller_key: str = field(repr=False)
    """With `authsvc:validate`."""
    manager_key: str = field(repr=False)
    """With `authsvc:keys`."""
    good_key: str = field(repr=False)
    unknown_key: str = field(repr=False)
    """Well formed."""
    bulk: BulkKeys

    def serving(
        self, name: str, *, instances: int = 1, **settings: object
    ) -> AbstractAsyncContextManager[Server]:
        """Serve with one more server on the same database.

        Args:
            name: Names its log.
            instances: How many processes of it tell that they serve.
            settings: Its settings, in lower case and without prefix, where they differ.
        """
        own = {f"AUTHSVC_{key.upper()}": str(value) for key, value in settings.items()}
        return serving(
            (*_AUTHSVC, "serve"),
            self.directory / f"{name}.log",
            {**self.environment, **own},
            instances,
        )

    async def mint_token(self, ttl: timedelta) -> str:
        """Return an access token of the account for `USER_ID`."""
        mint = ("token", "mint", "--account", self.account_id, "--user", USER_ID)
        printed = await _authsvc(
            self.environment, *mint, "--ttl", f"{int(ttl.total_seconds())}s", "--json"
        )
        token: str = json.loads(printed)["token"]
        return token


async def create_database(postgres: EmbeddedPostgres, name: str) -> str:
    """Create a database and return its URL."""
    async with connected(postgres.url()) as connection:
        await connection.execute(f'CREATE DATABASE "{name}"')
    return postgres.url(name)


@asynccontextmanager
async def open_service(
    directory: Path, database_url: str, bulk_keys: int, **settings: object
) -> AsyncIterator[Service]:
    """Serve on an empty database until the block ends.

    Args:
        directory: Where its logs go.
        database_url: The database.
        bulk_keys: How many keys it is to have beside those that it needs.
        settings: The servers' settings, in lower case and without prefix.

    Raises:
        BenchmarkFailed: A part did not start.
    """
    # A pooler, a Kubernetes Service or a file of settings must not have a say here.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AUTHSVC_", "PG"))}
    environment = {
        **inherited,
        "AUTHSVC_DATABASE_URL": database_url,
        "AUTHSVC_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "AUTHSVC_LISTEN_ADDRESS": "127.0.0.1:0",
        "AUTHSVC_HTTP_ADDRESS": "off",
        "AUTHSVC_LOG_FORMAT": "json",
        "AUTHSVC_LOG_LEVEL": "info",
        "AUTHSVC_SHUTDOWN_GRACE": "1",
        **{f"AUTHSVC_{key.upper()}": str(value) for key, value in settings.items()},
    }
    await _authsvc(environment, "migrate")
    admin = json.loads(await _authsvc(environment, "bootstrap", "--json"))
    log = directory / f"authsvc-{bulk_keys}.log"
    async with serving((*_AUTHSVC, "serve"), log, environment) as server:
        async with AsyncAuthClient(
            server.address, api_key=admin["secret"], plaintext=True
        ) as client:
            system = admin["account_id"]
            caller = await client.create_key("caller", account_id=system, scopes=[VALIDATE])
            manager = await client.create_key("manager", account_id=system, scopes=[KEYS])
            account = await client.create_account("Benchmark")
            good = await client.create_key("benchmark", account_id=account.account_id)
        bulk = BulkKeys(bulk_keys)
        await bulk.insert(database_url, account.account_id)
        yield Service(
            directory=directory,
            environment=environment,
            server=server,
            account_id=account.account_id,
            key_id=good.key.key_id,
            caller_key=caller.secret.reveal(),
            manager_key=manager.secret.reveal(),
            good_key=good.secret.reveal(),
            unknown_key=f"orch_{secrets.token_hex(20)}",
            bulk=bulk,
        )


def check_log(directory: Path) -> None:
    """Check that no call ended in an error status: a server logs every one that does.

    Args:
        directory: Where the servers' logs are.

    Raises:
        WrongAnswer: Some did.
    """
    for log in directory.glob("*.log"):
        failed = [
            entry
            for entry in find_events(log, "call failed")
            # The orderly end of a stream whose client has only just left.
            if entry.get("error") != "ServerStopping"
        ]
        if failed:
            raise WrongAnswer(f"calls failed under load, the first of them so: {failed[0]}")


async def postgres_version(url: str) -> str:
    """Return the version of the server."""
    async with connected(url) as connection:
        version: str = await connection.fetchval("SHOW server_version")
    return version.split(maxsplit=1)[0]


async def _authsvc(environment: Mapping[str, str], *arguments: str) -> str:
    return await output_of((*_AUTHSVC, *arguments), environment, _COMMAND_SECONDS)
