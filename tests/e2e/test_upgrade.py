"""Upgrading without downtime: the version before serves on the newest schema, beside this one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from authsvc.postgres.schema import newest_revision
from orchestrator.auth import AsyncAuthClient, DenialReason, RevocationReason
from tests.conftest import Service
from tests.e2e.databases import settings_on
from tests.e2e.support import AUTHSVC, serve
from tests.integration.support import until, url_of

REPOSITORY = Path(__file__).parents[2]
MIGRATIONS = "authsvc/postgres/migrations/versions"
# What starts the command without coverage: it would be told of files that are not there later.
UNMEASURED = ("env", "-u", "COVERAGE_PROCESS_CONFIG", "-u", "COVERAGE_PROCESS_START", AUTHSVC)


def git(*arguments: str) -> bytes:
    return subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, check=True
    ).stdout


@pytest.fixture(scope="module")
def version_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as it was before the newest revision of the schema came to it."""
    newest = f"{MIGRATIONS}/{newest_revision()}_*.py"
    try:
        added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", newest).decode().strip()
        archive = (
            git("archive", "--format=zip", f"{added}^", "authsvc", "clients/python/src")
            if added
            else b""
        )
    except (OSError, subprocess.CalledProcessError):
        archive = b""
    if not archive:
        pytest.skip("it comes from the history of the repository, which is not here")
    directory = tmp_path_factory.mktemp("before")
    with ZipFile(BytesIO(archive)) as files:
        files.extractall(directory)
    return directory


@pytest.fixture
def address_before(service: Service, version_before: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a server of the version before, on the database of this one."""
    settings = {
        **settings_on(url_of(service)),
        "AUTHSVC_HTTP_ADDRESS": "off",
        "PYTHONPATH": os.pathsep.join(
            [str(version_before), str(version_before / "clients/python/src")]
        ),
    }
    with serve(tmp_path, settings, UNMEASURED) as (process, address):
        loaded = Path(f"/proc/{process.pid}/environ").read_text()
        assert str(version_before) in loaded
        yield address


def denied_at(client: AsyncAuthClient, credential: str) -> Callable[[], Awaitable[bool]]:
    async def is_denied() -> bool:
        verdict = await client.check(credential)
        return verdict.denial is not None and verdict.denial.reason is DenialReason.KEY_REVOKED

    return is_denied


async def test_both_versions_serve_one_schema(service: Service, address_before: str) -> None:
    async with (
        service.client() as after,
        AsyncAuthClient(
            address_before, api_key=service.admin_key, plaintext=True, timeout=10.0
        ) as before,
    ):
        account_id = service.account.account_id
        for one, other in ((after, before), (before, after)):
            made = await one.create_key("a key", account_id=account_id)
            secret = made.secret.reveal()
            # In the memory of both.
            assert await one.check(secret)
            assert await other.check(secret)

            narrowed = await one.update_key(made.key.key_id, scopes=["sessions:read"])
            revision = narrowed.revision
            assert not await other.check(
                secret, required_scopes=["keys:read"], at_least_revision=revision
            )
            await one.revoke_key(key_id=made.key.key_id, reason=RevocationReason.COMPROMISED)

            await until(denied_at(one, secret))
            await until(denied_at(other, secret))
            audited = [event async for event in after.list_audit_events(target_id=made.key.key_id)]
            assert [event.action.rpartition("/")[2] for event in audited] == [
                "RevokeKey",
                "UpdateKey",
                "CreateKey",
            ]
