"""The real service from nothing: embedded Postgres, schema, first keys, `authsvc serve`.

Depends on the embedded Postgres, the command line of authsvc and the Python client.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg

from authsvc.domain.scopes import VALIDATE
from authsvc.postgres.embedded import EmbeddedPostgres
from benchmarks.processes import Server, output_of, serving
from orchestrator.auth import AsyncAuthClient

_COMMAND_SECONDS: Final = 60.0
_AUTHSVC: Final = (sys.executable, "-m", "authsvc")


@dataclass(frozen=True, slots=True)
class Service:
    """The served service, and the credentials to load it with."""

    server: Server
    postgres_version: str
    account_id: str
    key_id: str
    user_id: str
    caller_key: str = field(repr=False)
    """With `authsvc:validate`."""
    good_key: str = field(repr=False)
    unknown_key: str = field(repr=False)
    """Well formed."""
    good_token: str = field(repr=False)


@asynccontextmanager
async def open_service(directory: Path, token_ttl: timedelta) -> AsyncIterator[Service]:
    """Serve on a new database in a directory until the block ends.

    Args:
        directory: An empty one.
        token_ttl: How long the JWT has to be good.

    Raises:
        BenchmarkFailed: A part did not start.
        EmbeddedPostgresError: Postgres did not start.
    """
    async with EmbeddedPostgres(directory / "data") as postgres:
        # A pooler, a Kubernetes Service or a file of settings must not have a say here.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AUTHSVC_", "PG"))}
        environment = {
            **inherited,
            "AUTHSVC_DATABASE_URL": postgres.url(),
            "AUTHSVC_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "AUTHSVC_LISTEN_ADDRESS": "127.0.0.1:0",
            "AUTHSVC_LOG_FORMAT": "json",
            "AUTHSVC_LOG_LEVEL": "info",
            "AUTHSVC_SHUTDOWN_GRACE": "1",
        }
        await _authsvc(environment, "migrate")
        admin = json.loads(await _authsvc(environment, "bootstrap", "--json"))
        log = directory / "authsvc.log"
        async with serving((*_AUTHSVC, "serve"), log, environment) as server:
            async with AsyncAuthClient(
                server.address, api_key=admin["secret"], plaintext=True
            ) as client:
                caller = await client.create_key(
                    "caller", account_id=admin["account_id"], scopes=[VALIDATE]
                )
                account = await client.create_account("Benchmark")
                good = await client.create_key("benchmark", account_id=account.account_id)
            user_id = "user_benchmark"
            mint = ("--account", account.account_id, "--user", user_id)
            ttl = f"{int(token_ttl.total_seconds())}s"
            token = json.loads(
                await _authsvc(environment, "token", "mint", *mint, "--ttl", ttl, "--json")
            )
            yield Service(
                server=server,
                postgres_version=await _postgres_version(postgres.url()),
                account_id=account.account_id,
                key_id=good.key.key_id,
                user_id=user_id,
                caller_key=caller.secret.reveal(),
                good_key=good.secret.reveal(),
                unknown_key=f"orch_{secrets.token_hex(20)}",
                good_token=token["token"],
            )


async def _authsvc(environment: Mapping[str, str], *arguments: str) -> str:
    return await output_of((*_AUTHSVC, *arguments), environment, _COMMAND_SECONDS)


async def _postgres_version(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        version: str = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return version.split(maxsplit=1)[0]
