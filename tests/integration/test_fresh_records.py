"""Answers from memory reflect what changed, on whichever server or by hand in the database."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from authsvc.domain.key_secrets import digest_of
from authsvc.usecases.followed_log import FollowedLog
from orchestrator.auth import FreshnessSource, Unavailable
from tests.conftest import a_database
from tests.integration.support import mint, until
from tests.integration.support_fresh import (
    SLACK,
    Served,
    insert_key,
    reason_of,
    remembered,
    served,
    until_verdict,
)

MAX_STALENESS = timedelta(seconds=5)
DISABLE = "UPDATE authsvc.keys SET disabled = true WHERE key_id = '{}'"
ENABLE = "UPDATE authsvc.keys SET disabled = false WHERE key_id = '{}'"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(postgres_url: str, template_database: str) -> AsyncIterator[str]:
    """The database of both servers."""
    async with a_database(postgres_url, template_database) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def here(url: str) -> AsyncIterator[Served]:
    """The server where things are changed."""
    async with served(url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def there(url: str, here: Served) -> AsyncIterator[Served]:
    """Another server, which has to hear of it."""
    assert here
    async with served(url) as opened:
        yield opened


def a_secret() -> str:
    return f"orch_{secrets.token_hex(20)}"


async def test_what_was_read_once_answers_from_memory(here: Served) -> None:
    key = await here.new_key()
    await here.remember(key)

    begun = datetime.now(UTC)
    verdict = await here.client.check(key.secret)

    assert verdict.freshness.source is FreshnessSource.CACHE
    assert begun - MAX_STALENESS - SLACK <= verdict.freshness.as_of <= datetime.now(UTC)


async def test_where_a_key_was_revoked_it_is_denied_at_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_for: list[int] = []
    reach = FollowedLog.reach

    async def noted(log: FollowedLog, revision: int) -> None:
        waited_for.append(revision)
        await reach(log, revision)

    monkeypatch.setattr(FollowedLog, "reach", noted)
    async with served(url) as at:
        key = await at.new_key()
        await at.remember(key)

        revoked = await at.client.revoke_key(key_id=key.key_id)

        assert reason_of(await at.client.check(key.secret)) == "KEY_REVOKED"
        # Almost always that was so before: it is waited for, and no matter of luck.
        assert waited_for[-1] == revoked.revision


async def test_an_unknown_key_is_denied_from_memory_too(here: Served) -> None:
    verdict = await remembered(here.client, a_secret())

    assert reason_of(verdict) == "KEY_NOT_FOUND"


async def test_a_token_is_judged_from_memory_too(here: Served) -> None:
    verdict = await remembered(here.client, await mint(here.service))

    assert verdict


async def test_as_of_moves_on_while_nothing_happens(here: Served) -> None:
    key = await here.new_key()
    first = await remembered(here.client, key.secret, key.revision)

    async def has_moved() -> bool:
        verdict = await here.client.check(key.secret)
        return verdict.freshness.as_of > first.freshness.as_of

    await until(has_moved)


async def test_a_key_revoked_on_one_server_is_soon_denied_on_the_other(
    here: Served, there: Served
) -> None:
    key = await here.new_key()
    await there.remember(key)

    await here.client.revoke_key(key_id=key.key_id)

    await until_verdict(there.client, key.secret, "KEY_REVOKED")


async def test_a_key_revoked_on_one_server_is_denied_on_the_other_at_once_by_its_revision(
    here: Served, there: Served
) -> None:
    for _ in range(20):
        key = await here.new_key()
        await there.client.check(key.secret)

        revoked = await here.client.revoke_key(key_id=key.key_id)
        verdict = await there.client.check(key.secret, at_least_revision=revoked.revision)

        assert reason_of(verdict) == "KEY_REVOKED"


async def test_a_key_revoked_on_one_server_is_denied_on_the_other_at_once_by_authority(
    here: Served, there: Served
) -> None:
    for _ in range(20):
        key = await here.new_key()
        await there.client.check(key.secret)

        await here.client.revoke_key(key_id=key.key_id)
        verdict = await there.client.check(key.secret, authoritative=True)

        assert reason_of(verdict) == "KEY_REVOKED"


async def test_what_the_log_has_reached_answers_a_revision_from_memory(here: Served) -> None:
    key = await here.new_key()
    await here.remember(key)

    verdict = await here.client.check(key.secret, at_least_revision=key.revision)

    assert verdict.freshness.source is FreshnessSource.CACHE


async def test_a_revision_that_is_yet_to_come_leaves_the_question_open(here: Served) -> None:
    key = await here.new_key()
    await here.remember(key)

    with pytest.raises(Unavailable) as refused:
        await here.client.check(key.secret, at_least_revision=2**62)

    assert refused.value.reason == "REVISION_NOT_REACHED"


async def test_a_key_disabled_by_hand_is_denied_until_it_is_enabled_again(
    here: Served, there: Served
) -> None:
    key = await here.new_key()
    await there.remember(key)

    await here.service.execute(DISABLE.format(key.key_id))
    await until_verdict(there.client, key.secret, "KEY_DISABLED")

    await here.service.execute(ENABLE.format(key.key_id))
    await until_verdict(there.client, key.secret, None)


async def test_a_key_narrowed_by_hand_no_longer_has_the_scope(here: Served, there: Served) -> None:
    key = await here.new_key("sessions:*")
    assert await there.client.check(key.secret, required_scopes=["sessions:write"])

    await here.service.execute(
        f"UPDATE authsvc.keys SET scopes = '{{sessions:read}}' WHERE key_id = '{key.key_id}'"
    )

    async def is_denied() -> bool:
        verdict = await there.client.check(key.secret, required_scopes=["sessions:write"])
        return reason_of(verdict) == "INSUFFICIENT_SCOPE"

    await until(is_denied)


async def test_a_key_deleted_by_hand_is_not_found(here: Served, there: Served) -> None:
    key = await here.new_key()
    await there.remember(key)

    await here.service.execute(f"DELETE FROM authsvc.keys WHERE key_id = '{key.key_id}'")

    await until_verdict(there.client, key.secret, "KEY_NOT_FOUND")


@pytest.mark.parametrize("kind", ["key", "token"])
async def test_an_account_disabled_by_hand_is_denied_until_it_is_enabled_again(
    here: Served, there: Served, kind: str
) -> None:
    key = await here.new_key()
    credential = key.secret if kind == "key" else await mint(here.service)
    await remembered(there.client, credential)
    update = "UPDATE authsvc.accounts SET state = '{}' WHERE NOT is_system"

    await here.service.execute(update.format("DISABLED"))
    try:
        await until_verdict(there.client, credential, "ACCOUNT_DISABLED")
    finally:
        await here.service.execute(update.format("ACTIVE"))

    await until_verdict(there.client, credential, None)


async def test_a_record_in_memory_expires_by_the_clock(here: Served) -> None:
    # Until it expires, there is time enough for it to get into memory
    key = await here.new_key(ttl=timedelta(seconds=1.5))
    await here.remember(key)

    verdict = await until_verdict(here.client, key.secret, "KEY_EXPIRED")

    assert verdict.freshness.source is FreshnessSource.CACHE


async def test_a_key_that_was_known_as_absent_is_found_once_it_is_created(
    here: Served, there: Served
) -> None:
    secret = a_secret()
    assert reason_of(await remembered(there.client, secret)) == "KEY_NOT_FOUND"

    await insert_key(here.service, secret)

    await until_verdict(there.client, secret, None)


async def test_a_secret_that_was_known_as_absent_is_found_once_a_key_is_given_it(
    here: Served, there: Served
) -> None:
    key, secret = await here.new_key(), a_secret()
    await there.remember(key)
    assert reason_of(await remembered(there.client, secret)) == "KEY_NOT_FOUND"

    await here.service.execute(
        f"UPDATE authsvc.keys SET digest = '\\x{digest_of(secret).hex()}'"
        f" WHERE key_id = '{key.key_id}'"
    )

    await until_verdict(there.client, secret, None)
    await until_verdict(there.client, key.secret, "KEY_NOT_FOUND")
