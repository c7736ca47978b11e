"""Every documented refusal, as the command line and the client tell it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Final

import asyncpg
import pytest

from orchestrator.auth import CredentialDenied, DenialReason
from tests.e2e.support import Command, Dev, Ended, run, run_all, until

UNKNOWN_KEY: Final = f"orch_{'0' * 40}"

# What is presented, and reason, message and HTTP status of the refusal.
REFUSALS: Final = {
    "nothing": ("MISSING_CREDENTIAL", "Missing Authorization header", 401),
    "another scheme": ("UNSUPPORTED_SCHEME", "Unsupported authorization scheme", 401),
    "a malformed key": ("INVALID_KEY_FORMAT", "Invalid API key format", 401),
    "an unknown key": ("KEY_NOT_FOUND", "API key not found", 401),
    "a revoked key": ("KEY_REVOKED", "API key revoked", 401),
    "an expired key": ("KEY_EXPIRED", "API key expired", 401),
    "a disabled key": ("KEY_DISABLED", "API key disabled", 401),
    "a forged token": ("TOKEN_INVALID", "Invalid token", 401),
    "an expired token": ("TOKEN_EXPIRED", "Token expired", 401),
    "a key of a disabled account": ("ACCOUNT_DISABLED", "Account disabled", 403),
    "a key for other addresses": ("ADDRESS_NOT_ALLOWED", "Client address not allowed", 403),
    "a key without the scope": ("INSUFFICIENT_SCOPE", "Insufficient scope", 403),
}


async def make_credentials(server: Dev) -> dict[str, str]:
    """Make what is refused. Nothing in the API disables keys and accounts yet."""
    token = run("token", "mint", "--ttl", "1s", cwd=server.cwd).out.strip()
    with server.client() as client:
        account = client.create_account("Disabled")
        made = {
            name: client.create_key(name, account_id=account_id, scopes=["sessions:read"], ttl=ttl)
            for name, account_id, ttl in [
                ("a revoked key", server.account_id, None),
                ("an expired key", server.account_id, timedelta(seconds=1)),
                ("a disabled key", server.account_id, None),
                ("a key of a disabled account", account.account_id, None),
                ("a key for other addresses", server.account_id, None),
                ("a key without the scope", server.account_id, None),
            ]
        }
        client.update_key(
            made["a key for other addresses"].key.key_id, allowed_addresses=["192.0.2.7"]
        )
        keys = {name: created.secret.reveal() for name, created in made.items()}
        client.revoke_key(secret=keys["a revoked key"])
        database = await asyncpg.connect((server.data_dir / "database.url").read_text().strip())
        try:
            await database.execute(
                "UPDATE authsvc.keys SET disabled = true WHERE key_id = $1",
                made["a disabled key"].key.key_id,
            )
            await database.execute(
                "UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = $1",
                account.account_id,
            )
        finally:
            await database.close()
        for ends in (token, keys["an expired key"]):
            until(lambda ends=ends: not client.check(ends), "expiry")  # type: ignore[misc] # mypy takes no default of a lambda
    header, payload, signature = token.split(".")
    return {
        "nothing": "",
        "another scheme": "Basic dTpw",
        "a malformed key": UNKNOWN_KEY.upper(),
        "an unknown key": UNKNOWN_KEY,
        "a forged token": f"{header}.{payload}.{signature[::-1]}",
        "an expired token": token,
        **keys,
    }


@pytest.fixture(scope="module")
async def credentials(shared_dev: Dev) -> dict[str, str]:
    return await make_credentials(shared_dev)


@pytest.fixture(scope="module")
def told(shared_dev: Dev, credentials: dict[str, str]) -> dict[str, Ended]:
    """What the command line tells of each credential."""
    arguments = ["key", "validate", "--scope", "sessions:write"]
    commands = [
        Command(arguments, f"{credentials[name]}\n", shared_dev.caller) for name in REFUSALS
    ]
    return dict(zip(REFUSALS, run_all(commands), strict=True))


@pytest.mark.parametrize("name", REFUSALS)
def test_the_command_line_tells_the_refusal(told: dict[str, Ended], name: str) -> None:
    reason, message, status = REFUSALS[name]
    rows = dict(line.split(None, 1) for line in told[name].out.splitlines()[1:])

    assert told[name].code == 3
    assert told[name].err == ""
    assert told[name].out.startswith("Denied.\n")
    assert rows["reason"].strip() == reason
    assert rows["message"].strip() == message
    assert f"{status} " in rows["HTTP"]


@pytest.mark.parametrize("name", REFUSALS)
def test_the_client_raises_the_refusal(
    shared_dev: Dev, credentials: dict[str, str], name: str
) -> None:
    reason, message, status = REFUSALS[name]
    error = {401: "UNAUTHORIZED", 403: "FORBIDDEN"}[status]
    with shared_dev.client() as client, pytest.raises(CredentialDenied) as raised:
        client.validate(credentials[name], required_scopes=["sessions:write"])

    denial = raised.value.denial
    assert denial.reason is DenialReason(reason)
    assert denial.http_body() == {"error": error, "message": message, "code": status}


def test_no_refusal_repeats_the_credential(
    told: dict[str, Ended], credentials: dict[str, str]
) -> None:
    shown = [name for name in REFUSALS if credentials[name] and credentials[name] in told[name].out]

    assert shown == []


def test_json_of_a_refusal_is_for_scripts(caller: dict[str, str]) -> None:
    ended = run("key", "validate", "--json", stdin=UNKNOWN_KEY, settings=caller)

    verdict = json.loads(ended.out)
    assert ended.code == 3
    assert set(verdict) == {"denial", "freshness"}
    assert verdict["denial"]["reason"] == "KEY_NOT_FOUND"
