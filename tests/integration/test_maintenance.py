"""All upkeep, once and to its end, by several at the same time."""

from __future__ import annotations

import asyncio

from authsvc import app
from tests.integration.support import connected

# More of each than one statement removes.
PAST_CHANGES = """
INSERT INTO authsvc.changes (revision, kind, account_id, key_id, change_time)
OVERRIDING SYSTEM VALUE SELECT revision, 'KEY_CHANGED', '', '', now() - interval '30 days'
  FROM generate_series(-12000, -1) AS revision
"""
PAST_CHANGES_LEFT = "SELECT count(*) FROM authsvc.changes WHERE revision < 0"


async def test_two_runs_at_once_leave_nothing_that_is_past(parts: app.Parts) -> None:
    async with connected(parts.settings.database_url.get_secret_value()) as connection:
        await connection.execute(PAST_CHANGES)
        assert await connection.fetchval(PAST_CHANGES_LEFT) == 12_000

        both = await asyncio.gather(app.maintain_once(parts), app.maintain_once(parts))

        assert await connection.fetchval(PAST_CHANGES_LEFT) == 0
    assert [set(done.values()) for done in both] == [{True}, {True}]
