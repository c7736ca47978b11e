"""Usage over many processes is exact after a clean stop; and what the command line shows of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import grpc
import pytest
import pytest_asyncio

from authsvc import app
from authsvc.config import Settings
from orchestrator.auth import RequestContext
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from tests.conftest import ORIGIN
from tests.e2e.databases import settings_on
from tests.e2e.support import Command, Dev, Ended, Process, run, run_all, serve, until

CONNECTIONS: Final = 24
CALLS: Final = 40


@dataclass(frozen=True)
class Prepared:
    """A database with a caller's key and some keys of an account."""

    database_url: str
    account_id: str
    admin_id: str
    admin_key: str
    keys: dict[str, str]
    """Secrets by key id."""

    def settings(self, workers: int) -> dict[str, str]:
        return {
            **settings_on(self.database_url),
            "AUTHSVC_WORKERS": str(workers),
            # Often, so that processes come in each other's way.
            "AUTHSVC_USAGE_FLUSH_INTERVAL": "0.05",
        }


@pytest_asyncio.fixture(loop_scope="session")
async def prepared(settings: Settings) -> Prepared:
    async with app.open_parts(settings) as parts:
        system = await parts.bootstrap.prepare(ORIGIN, app.time_limit())
        account = await parts.bootstrap.default_account(ORIGIN, app.time_limit())
        admin = await parts.bootstrap.create_admin_key(system, "admin", ORIGIN, app.time_limit())
        issued = [
            await parts.issue_key(
                account.account_id,
                f"key {number}",
                scopes=("sessions:read",),
                expire_time=None,
                metadata={},
                origin=ORIGIN,
                deadline=app.time_limit(),
            )
            for number in range(5)
        ]
    return Prepared(
        database_url=settings.database_url.get_secret_value(),
        account_id=account.account_id,
        admin_id=admin.key.key_id,
        admin_key=admin.secret.reveal(),
        keys={each.key.key_id: each.secret.reveal() for each in issued},
    )


async def call(prepared: Prepared, address: str, number: int) -> Counter[tuple[str, str, str]]:
    """Make calls on one connection; return them by key, outcome and client address."""
    made: Counter[tuple[str, str, str]] = Counter()
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        stub = AuthServiceStub(channel)
        for round_number in range(CALLS):
            for place, (key_id, secret) in enumerate(prepared.keys.items()):
                outcome = "INSUFFICIENT_SCOPE" if (round_number + place) % 4 == 0 else "OK"
                client_ip = f"192.0.2.{number % 7}"
                await stub.ValidateCredential(
                    pb.ValidateCredentialRequest(
                        credential=secret,
                        required_scopes=["a:b" if outcome != "OK" else "sessions:read"],
                        context=pb.RequestContext(client_ip=client_ip),
                    ),
                    metadata=(("authorization", f"Bearer {prepared.admin_key}"),),
                    timeout=60,
                )
                made[key_id, outcome, client_ip] += 1
    return made


def until_serving(process: Process, workers: int) -> None:
    def are_serving() -> bool:
        return len(re.findall(r'"event": "serving"', process.errors())) >= workers

    until(are_serving, f"{workers} workers", 60)


@pytest.mark.parametrize("workers", [(4,), (2, 1)], ids=["four workers", "two servers"])
async def test_after_a_clean_stop_sums_over_all_processes_are_the_calls_made(
    prepared: Prepared, tmp_path: Path, workers: tuple[int, ...]
) -> None:
    async with AsyncExitStack() as stack:
        started = []
        for number, count in enumerate(workers):
            (tmp_path / str(number)).mkdir()
            started.append(
                stack.enter_context(serve(tmp_path / str(number), prepared.settings(count)))
            )
            await asyncio.to_thread(until_serving, started[-1][0], count)
        made = sum(
            await asyncio.gather(
                *(
                    call(prepared, started[number % len(started)][1], number)
                    for number in range(CONNECTIONS)
                )
            ),
            Counter[tuple[str, str, str]](),
        )
        codes = [await asyncio.to_thread(process.terminate) for process, _ in started]
        assert codes == [0] * len(started)
        logs = "".join(process.errors() for process, _ in started)

    assert '"level": "error"' not in logs
    assert '"level": "warning"' not in logs
    by_outcome: Counter[tuple[str, str]] = Counter()
    by_address: Counter[tuple[str, str]] = Counter()
    for (key_id, outcome, address), count in made.items():
        by_outcome[key_id, outcome] += count
        by_address[key_id, address] += count
    by_outcome[prepared.admin_id, "OK"] = made.total()
    connection = await asyncpg.connect(prepared.database_url)
    try:
        assert by_outcome == await counts(connection, "key_usage", "key_id", "outcome")
        of_accounts = await counts(connection, "account_usage", "account_id", "outcome")
        assert of_accounts[prepared.account_id, "OK"] == sum(
            count for (_, outcome, _), count in made.items() if outcome == "OK"
        )
        sources = await counts(connection, "key_sources WHERE kind = 'ADDRESS'", "key_id", "source")
        assert by_address == {s: n for s, n in sources.items() if s[0] != prepared.admin_id}
        callers = await counts(connection, "key_sources WHERE kind = 'CALLER'", "key_id", "source")
        assert callers == {
            **{
                (key_id, prepared.admin_id): sum(
                    n for (k, _), n in by_address.items() if k == key_id
                )
                for key_id in prepared.keys
            },
            (prepared.admin_id, ""): made.total(),
        }
    finally:
        await connection.close()


async def counts(
    connection: asyncpg.Connection, table: str, subject: str, kind: str
) -> Counter[tuple[str, str]]:
    rows = await connection.fetch(
        f"SELECT {subject}, {kind}, sum(count)::bigint FROM authsvc.{table} GROUP BY 1, 2"
    )
    return Counter({(row[0], row[1]): row[2] for row in rows})


@pytest.fixture(scope="module")
def shown(shared_dev: Dev) -> dict[str, Ended]:
    """What commands print of a key that was rotated, used and refused."""
    with shared_dev.client() as client:
        account_id = client.create_account("Watched").account_id
        idle_id = client.create_account("Idle").account_id
        created = client.create_key("watched", account_id=account_id, scopes=["a:b"])
        key_id = created.key.key_id
        context = RequestContext(client_ip="192.0.2.1")
        for _ in range(3):
            client.check(created.secret, context=context)
        client.check(created.secret, required_scopes=["c:d"], context=context)

        def is_written() -> bool:
            return client.get_key_usage(key_id).denied_count == 1

        until(is_written, "usage")
        rotated = client.rotate_key(key_id)
        for _ in range(9):
            client.check(rotated.secret)
        new_id = rotated.key.key_id
        until(lambda: client.get_key_usage(new_id).granted_count == 9, "usage")
    commands = {
        "key": ["key", "usage", key_id],
        "successor": ["key", "usage", new_id, "--by", "day", "--since", "7d"],
        "key as JSON": ["key", "usage", key_id, "--json"],
        "account": ["account", "usage", account_id],
        "account as JSON": ["account", "usage", account_id, "--by", "day", "--json"],
        "nothing": ["account", "usage", idle_id, "--since", "1h"],
        "no account": ["account", "usage"],
        "no such key": ["key", "usage", "key_01h2xcejqtf2nbrexx3vqjhp41"],
        "too long": ["key", "usage", key_id, "--since", "32d", "--by", "hour"],
    }
    done = run_all([Command(each, settings=shared_dev.caller) for each in commands.values()])
    run("key", "revoke", new_id, settings=shared_dev.caller)
    return dict(zip(commands, done, strict=True))


def test_of_a_rotated_key_both_are_shown_and_that_the_old_one_is_not_used(
    shown: dict[str, Ended],
) -> None:
    out = shown["key"].out

    assert (shown["key"].code, shown["key"].err) == (0, "")
    assert re.search(r"^granted +3\ndenied +1\n", out, re.MULTILINE)
    # Unless the hour ended in between: then there are two lines.
    assert re.search(
        r"^FROM \(UTC\) +GRANTED +SUCCESSOR +ITS SHARE +DENIED +WHY", out, re.MULTILINE
    )
    assert "INSUFFICIENT_SCOPE 1" in out
    assert re.search(r"^192\.0\.2\.1 +4 ", out, re.MULTILINE)
    assert re.search(r"^key_\w+ +4 .* admin$", out, re.MULTILINE)
    assert "The old key was not used since its rotation, and the new one is in use." in out
    assert re.search(r"authsvc key revoke key_\w+ --reason superseded$", out)


def test_a_key_without_a_successor_is_shown_alone(shown: dict[str, Ended]) -> None:
    out = shown["successor"].out

    assert "SUCCESSOR" not in out
    assert re.search(r"^20\d\d-\d\d-\d\dT00:00:00Z +9 +0$", out, re.MULTILINE)


def test_usage_is_shown_to_scripts(shown: dict[str, Ended]) -> None:
    key, account = (json.loads(shown[name].out) for name in ("key as JSON", "account as JSON"))

    assert set(key) == {
        "intervals", "granted_count", "denied_count", "last_use_time", "client_addresses", "callers"
    }  # fmt: skip
    assert {"INSUFFICIENT_SCOPE": 1} in [each["denials"] for each in key["intervals"]]
    assert [each["is_new"] for each in key["client_addresses"]] == [False]
    assert set(account) == {"intervals", "granted_count", "denied_count"}
    assert (account["granted_count"], account["denied_count"]) == (12, 1)
    assert len(account["intervals"]) == 31


def test_usage_of_an_account_is_shown(shown: dict[str, Ended]) -> None:
    assert re.search(r"^granted +12\ndenied +1\n", shown["account"].out, re.MULTILINE)
    assert "No calls in this time." in shown["nothing"].out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no account", "give its id (`authsvc account list` shows them)"),
        ("no such key", "API key not found. [NOT_FOUND]"),
        ("too long", "start_time is at most 31 days before the end for intervals of an hour"),
    ],
)
def test_a_refusal_says_what_to_do(shown: dict[str, Ended], name: str, text: str) -> None:
    assert (shown[name].code, shown[name].out) == (1, "")
    assert text in shown[name].err
