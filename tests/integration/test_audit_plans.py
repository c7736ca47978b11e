"""Every documented filter of the audit log finds its events without a walk through the others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from authsvc.domain.audit import AuditFilter, OutcomeClass
from authsvc.postgres.audit import events_statement
from tests.conftest import a_database, execute
from tests.integration.support import connected

MANY = 40_000
PAGE = 101
# Two busy accounts. The events of one are all alike but for a few; the other is often refused.
FILL = f"""
INSERT INTO authsvc.audit_events
SELECT clock_timestamp(), gen_random_uuid(), 'KEY', 'key_1',
       CASE WHEN n % 2 = 0 THEN 'acct_2' ELSE 'acct_1' END,
       'x.Service/' || CASE WHEN n % 10000 = 1 THEN 'Rare' ELSE 'Common' || n % 3 END,
       'KEY', 'key_' || n, CASE WHEN n % 2 = 0 THEN 'acct_2' ELSE 'acct_1' END, '', '',
       CASE WHEN n % 10000 = 3 OR n % 2 = 0 THEN 'NO' ELSE 'OK' END
  FROM generate_series(1, {MANY}) n
"""


def rows_read(plan: dict[str, Any]) -> int:
    """Return how many rows the parts of a plan have looked at that are in no other part."""
    parts = plan.get("Plans", [])
    if parts:
        return sum(map(rows_read, parts))
    dropped = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    return int(plan["Actual Loops"] * (plan["Actual Rows"] + dropped))


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def filled_log(postgres_url: str, template_database: str) -> AsyncIterator[str]:
    """A database with a long audit log, which these tests only read."""
    async with a_database(postgres_url, template_database) as url:
        await execute(url, FILL, "VACUUM ANALYZE authsvc.audit_events")
        yield url


@pytest.mark.parametrize(
    "wanted",
    [
        AuditFilter(),
        AuditFilter(account_id="acct_1"),
        AuditFilter(actor_id="key_1"),
        AuditFilter(target_id="key_7"),
        AuditFilter(actions=("Rare",)),
        AuditFilter(actions=("x.Service/Rare",)),
        AuditFilter(actions=("Rare", "Missing")),
        AuditFilter(actions=("Missing",)),
        AuditFilter(account_id="acct_1", actions=("Rare",)),
        AuditFilter(outcome=OutcomeClass.DENIED),
        AuditFilter(account_id="acct_1", outcome=OutcomeClass.DENIED),
        AuditFilter(account_id="acct_1", actions=("Rare",), outcome=OutcomeClass.DENIED),
    ],
    ids=repr,
)
async def test_a_filter_reads_hardly_more_than_it_finds(
    filled_log: str, wanted: AuditFilter
) -> None:
    statement, values = events_statement(wanted, None, PAGE)

    async with connected(filled_log) as connection:
        explained = await connection.fetchval(
            f"EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) {statement}", *values
        )

    (found,) = json.loads(explained)
    assert rows_read(found["Plan"]) <= 3 * PAGE
