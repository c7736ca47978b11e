"""`authsvc keyring` and `authsvc token mint`: the keys of access tokens, from a terminal."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from authsvc.config import Settings
from tests.conftest import ENCRYPTION_KEY
from tests.e2e.databases import settings_on
from tests.e2e.statements import overheard_dev
from tests.e2e.support import Command, Dev, run, run_all

KID = r"jwk_[0-9a-z]{26}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
OTHER_KEY = base64.b64encode(bytes(range(32, 64))).decode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Dev]:
    """A server of its own: its keys change."""
    with overheard_dev(tmp_path, {"AUTHSVC_MAX_STALENESS": "0.5"}) as started:
        yield started


def listed(server: Dev) -> list[dict[str, str]]:
    keys: list[dict[str, str]] = json.loads(run("keyring", "list", "--json", cwd=server.cwd).out)
    return keys


def test_a_scheduled_rotation_is_told_and_listed(server: Dev) -> None:
    first = run("keyring", "rotate", settings=server.caller)
    again = run("keyring", "rotate", "--json", settings=server.caller)
    table = run("keyring", "list", cwd=server.cwd).out.splitlines()

    told = re.fullmatch(rf"({KID}) \(ES256\) is published\. It signs from ({TIME})\.\n", first.out)
    assert told, first
    rotated = json.loads(again.out)
    assert (rotated["key"]["kid"], rotated["ended_kids"]) == (told[1], [])
    assert table[0].split("  ")[0] == "KEY"
    assert re.fullmatch(rf"{KID} +ES256 +SIGNING +{TIME} +{TIME} +current", table[1])
    assert re.fullmatch(rf"{told[1]} +ES256 +PUBLISHED +{told[2]} +- +current", table[2])


def test_after_a_compromise_tokens_of_before_are_no_good(server: Dev) -> None:
    token = run("token", "mint", cwd=server.cwd).out.strip()
    assert server.accepts(token)
    (old,) = listed(server)

    ended = run("keyring", "rotate", "--compromised", "--yes", settings=server.caller)

    (new,) = listed(server)
    assert ended.out == (
        f"{new['kid']} (ES256) signs now.\n"
        f"{old['kid']} has ended, and with it every token that it signed.\n"
    )
    assert server.accepts(run("token", "mint", cwd=server.cwd).out.strip())
    assert not server.accepts(token)


def test_reencrypting_what_is_current_changes_nothing(server: Dev) -> None:
    before = listed(server)

    people, scripts = run_all(
        [Command(["keyring", "reencrypt", *more], cwd=server.cwd) for more in ([], ["--json"])]
    )

    assert people.out == (
        "0 keys sealed anew; 1 key sealed under the present encryption key already.\n"
    )
    assert json.loads(scripts.out) == {"resealed": [], "current": [before[0]["kid"]]}
    assert listed(server) == before


async def test_reencrypting_tells_how_many_it_sealed(settings: Settings) -> None:
    old = settings_on(settings.database_url.get_secret_value())
    both = {
        **old,
        "AUTHSVC_ENCRYPTION_KEY": OTHER_KEY,
        "AUTHSVC_ENCRYPTION_KEY_PREVIOUS": ENCRYPTION_KEY,
    }
    new = {**old, "AUTHSVC_ENCRYPTION_KEY": OTHER_KEY}
    assert run("bootstrap", settings=old).code == 0

    def seals(settings: dict[str, str]) -> str:
        return run("keyring", "list", settings=settings).out.split()[-1]

    assert (seals(old), seals(both), seals(new)) == ("current", "previous", "neither")
    refused = run("keyring", "reencrypt", settings=new)
    first, second = (run("keyring", "reencrypt", settings=both) for _ in range(2))

    assert refused.code == 1
    assert "AUTHSVC_ENCRYPTION_KEY_PREVIOUS" in refused.err
    assert first.out.startswith("1 key sealed anew; 0 keys sealed under")
    assert second.out.startswith("0 keys sealed anew; 1 key sealed under")
    assert seals(new) == "current"


@pytest.mark.parametrize("ttl", ["61m", "2h", "1d"])
def test_a_token_cannot_outlive_its_key(shared_dev: Dev, ttl: str) -> None:
    ended = run("token", "mint", "--ttl", ttl, cwd=shared_dev.cwd)

    assert ended.code == 1
    assert ended.err.startswith("authsvc: --ttl: a token is good for an hour at most (1h)")


def test_a_token_may_live_for_an_hour_and_does_for_as_long_as_set(shared_dev: Dev) -> None:
    def life_of(*arguments: str, **settings: str) -> int:
        token = run("token", "mint", *arguments, cwd=shared_dev.cwd, settings=settings).out
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))
        return int(claims["exp"] - claims["iat"])

    assert life_of("--ttl", "1h") == 3600
    assert life_of() == 900
    assert life_of(AUTHSVC_ACCESS_TOKEN_TTL="60") == 60


def test_without_a_server_it_is_told_what_to_start(tmp_path: Path) -> None:
    ended = run("keyring", "list", cwd=tmp_path)

    assert ended.code == 1
    assert "`authsvc dev` has never run on .authsvc" in ended.err
