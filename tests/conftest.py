"""What all tests share: a real Postgres, a fresh database per test, and a served service."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio
import uvloop
from pydantic import SecretStr

from authsvc import app
from authsvc.config import Settings, load_settings
from authsvc.domain import ids
from authsvc.domain.accounts import Account
from authsvc.domain.origin import ActorKind, Origin
from authsvc.domain.passwords import Password
from authsvc.domain.users import User, UserRole
from authsvc.postgres import schema
from authsvc.postgres.embedded import EmbeddedPostgres
from authsvc.postgres.grants import grant
from orchestrator.auth import AsyncAuthClient

# A server of one's own to run all tests on; empty where they start theirs.
TEST_DATABASE_URL = os.environ.get("AUTHSVC_TEST_DATABASE_URL", "")
# Where the changes come from that tests make past the service.
ORIGIN = Origin(ActorKind.OPERATOR, "authsvc test")
# Half the time of the end-to-end tests.
LONGEST_FILES = {"test_serve.py", "test_readme.py", "test_workers.py", "test_dev_lifetime.py"}
# What servers of tests may do, so that a missing grant shows. Of this run alone.
SERVER_ROLE = f"authsvc_server_{secrets.token_hex(4)}"
# Obviously not a key that guards anything.
ENCRYPTION_KEY = base64.b64encode(bytes(range(32))).decode()

# Hashes that are no good for anything but tests.
CHEAP_PASSWORDS: Mapping[str, object] = {
    "password_time_cost": 1,
    "password_memory_kib": 8192,
    "password_parallelism": 1,
}


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every asynchronous test on the loop that the service runs on."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first, so that a mistake shows early; of the slow ones the longest files first.

    A file runs in one process, and what begins last is what all others wait for at the end.
    """
    order = {"unit": 0, "integration": 2, "e2e": 3}

    def place(item: pytest.Item) -> tuple[int, bool]:
        part = next((order[p] for p in order if p in item.path.parts), 1)
        return part, item.path.name not in LONGEST_FILES

    items.sort(key=place)


# The two fixtures of the session are plain functions: one that is bound to an event loop is taken
# down and made again wherever tests that use the loop and tests that do not take turns.
@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database on a server where databases may be made and dropped."""
    if TEST_DATABASE_URL:
        yield TEST_DATABASE_URL
        return
    with a_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@contextmanager
def a_postgres(
    directory: Path, settings: Mapping[str, str] | None = None, programs: Path | None = None
) -> Iterator[str]:
    """Run a server until the block ends, outside of any event loop."""
    # Nothing here has to outlive a crash of the machine; a database is dropped ten times as fast.
    settings = {"fsync": "off", **(settings or {})}
    postgres = EmbeddedPostgres(directory, settings=settings, programs=programs)
    asyncio.run(postgres.start())
    try:
        yield postgres.url()
    finally:
        asyncio.run(postgres.stop())


def with_database(url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def url_of_servers(url: str) -> str:
    """Return the URL by which a database is reached with the rights of servers and no more."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, f"role={SERVER_ROLE}"]))
    return urlunsplit(parts._replace(query=query))


def as_server(settings: Settings) -> Settings:
    """Return the settings of a server that has the rights of servers and no more."""
    url = SecretStr(url_of_servers(settings.database_url.get_secret_value()))
    return settings.model_copy(update={"database_url": url})


def as_owner(url: str) -> str:
    """Return the URL of a database without the role of servers."""
    parts = urlsplit(url)
    query = re.sub(f"&?role={SERVER_ROLE}$", "", parts.query)
    return urlunsplit(parts._replace(query=query))


async def execute(url: str, *statements: str) -> None:
    """Run statements on a connection of their own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def a_database(server_url: str, template: str | None = None) -> AsyncIterator[str]:
    """Make a database and drop it at the end."""
    name = f"authsvc_test_{secrets.token_hex(4)}"
    await execute(
        server_url, f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")
    )
    yield with_database(server_url, name)
    await execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """The name of a database with the newest schema and nothing in it."""
    with a_template(postgres_url) as name:
        yield name


@contextmanager
def a_template(server_url: str) -> Iterator[str]:
    """Make a database with the newest schema, and the role of servers, for one server's tests."""
    name = f"authsvc_template_{secrets.token_hex(4)}"
    url = with_database(server_url, name)
    asyncio.run(execute(server_url, f"CREATE DATABASE {name}", f"CREATE ROLE {SERVER_ROLE}"))
    asyncio.run(schema.migrate(url))
    asyncio.run(grant(url, SERVER_ROLE))
    yield name
    asyncio.run(
        execute(server_url, f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {SERVER_ROLE}")
    )


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """The URL of a database without a schema, for this test alone."""
    async with a_database(postgres_url) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(postgres_url: str, template_database: str) -> AsyncIterator[str]:
    """The URL of a database with the newest schema, for this test alone."""
    async with a_database(postgres_url, template_database) as url:
        yield url


def settings_for(url: str, **changes: object) -> Settings:
    """Return settings for a server on a database and on a free port."""
    values: dict[str, object] = {
        "database_url": url,
        "encryption_key": ENCRYPTION_KEY,
        "listen_address": "127.0.0.1:0",
        # Its end takes a moment; tests of it switch it on.
        "http_address": "off",
        "shutdown_grace": 2.0,
        **CHEAP_PASSWORDS,
    }
    return load_settings(**{**values, **changes})


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings for a server on this test's database and on a free port."""
    return settings_for(database_url)


@pytest_asyncio.fixture(loop_scope="session")
async def parts(settings: Settings) -> AsyncIterator[app.Parts]:
    """The service's parts on this test's database."""
    async with app.open_parts(settings) as opened:
        yield opened


@dataclass(frozen=True)
class Service:
    """A served service on a database of its own."""

    address: str
    http_address: str
    """Empty where HTTP is switched off."""
    parts: app.Parts
    system: Account
    account: Account
    """An ordinary account."""
    admin_key: str
    stop: asyncio.Event
    mtls_address: str = ""
    """Empty where there is no port for client certificates."""

    @asynccontextmanager
    async def client(self, api_key: str | None = None) -> AsyncIterator[AsyncAuthClient]:
        """A client, by default with the admin key."""
        async with AsyncAuthClient(
            self.address, api_key=api_key or self.admin_key, plaintext=True, timeout=10.0
        ) as client:
            yield client

    async def execute(self, *statements: str) -> None:
        """Run statements on the service's database."""
        await execute(as_owner(self.parts.settings.database_url.get_secret_value()), *statements)

    async def create_key(self, *scopes: str, account: Account | None = None) -> str:
        """Make a key of an account, by default the ordinary one, and return its secret."""
        issued = await self.parts.issue_key(
            (account or self.account).account_id,
            f"key {secrets.token_hex(4)}",
            scopes=scopes or ("*",),
            expire_time=None,
            metadata={},
            origin=ORIGIN,
            deadline=app.time_limit(),
        )
        return issued.secret.reveal()

    async def create_account(self, name: str = "Other") -> Account:
        """Make another account."""
        account = Account(
            account_id=ids.new_id(ids.ACCOUNT),
            display_name=name,
            state=self.account.state,
            create_time=app.utc_now(),
            is_system=False,
        )
        return await self.parts.accounts.insert_account(account, ORIGIN, app.time_limit())

    async def create_user(
        self,
        role: UserRole = UserRole.OWNER,
        *,
        account: Account | None = None,
        password: str = "",
    ) -> User:
        """Make a user of an account, by default of the ordinary one."""
        user_id, now = ids.new_id(ids.USER), app.utc_now()
        email = f"{user_id}@example.com"
        user = User(
            user_id=user_id,
            account_id=(account or self.account).account_id,
            email=email,
            display_name="Ada",
            role=role,
            create_time=now,
            revision=0,
            password_change_time=now if password else None,
        )
        hashed = await self.parts.hasher.hash(Password(password)) if password else None
        return await self.parts.users.insert_user(
            user,
            email_key=email,
            password_hash=hashed,
            origin=ORIGIN,
            deadline=app.time_limit(),
        )


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Service]:
    """Serve on an ephemeral port until the block ends."""
    async with app.open_parts(settings) as opened:
        system = await opened.bootstrap.prepare(ORIGIN, app.time_limit())
        account = await opened.bootstrap.default_account(ORIGIN, app.time_limit())
        issued = await opened.bootstrap.create_admin_key(
            system, f"admin {secrets.token_hex(4)}", ORIGIN, app.time_limit()
        )
        stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(app.serve(opened, stop, ready.set_result))
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        served, secret = ready.result(), issued.secret.reveal()
        try:
            yield Service(
                served.grpc, served.http, opened, system, account, secret, stop, served.mtls
            )
        finally:
            stop.set()
            await task


@pytest_asyncio.fixture(loop_scope="session")
async def service(settings: Settings) -> AsyncIterator[Service]:
    """A served service on this test's database."""
    async with serving(as_server(settings)) as served:
        yield served


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A directory for `authsvc dev`."""
    return tmp_path / "data"
