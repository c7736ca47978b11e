"""Which columns of a key are a change: for the change log, and for the audit log."""

from __future__ import annotations

import pytest

from tests.integration.support import connected

ALL = """
SELECT attname::text FROM pg_attribute
 WHERE attrelid = 'authsvc.keys'::regclass AND attnum > 0 AND NOT attisdropped
"""
FIRED_BY = """
SELECT attname::text FROM pg_trigger JOIN pg_attribute
       ON attrelid = tgrelid AND attnum = ANY (tgattr)
 WHERE tgrelid = 'authsvc.keys'::regclass AND tgname = $1
"""
# What no verdict depends on, and no answer about a verdict shows.
UNLOGGED = {
    "create_time",
    "hint",
    "last_use_time",
    "revision",
    "revoke_note",
    "revoke_reason",
    "supersedes",
}
NO_MANAGEMENT = {"last_use_time", "revision"}


@pytest.mark.parametrize(
    ("trigger", "left_out"),
    [
        ("keys_log_change", UNLOGGED),
        ("keys_lock_changes", UNLOGGED),
        ("audit_change", NO_MANAGEMENT),
    ],
)
async def test_a_trigger_fires_for_every_column_but_those_that_are_left_out(
    database_url: str, trigger: str, left_out: set[str]
) -> None:
    async with connected(database_url) as connection:
        columns = {row[0] for row in await connection.fetch(ALL)}
        fired_by = {row[0] for row in await connection.fetch(FIRED_BY, trigger)}

    assert columns - fired_by == left_out
