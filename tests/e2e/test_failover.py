"""The database fails over under load."""

from __future__ import annotations

from pathlib import Path

from benchmarks.failover import observe_failover


async def test_a_failover_loses_no_acknowledged_write_and_fails_no_cached_validation(
    tmp_path: Path,
) -> None:
    seen = await observe_failover(tmp_path)

    assert seen.validations
    assert seen.failed_validations == {}
    # There was an outage, callers were told to come back, and each write was done once.
    assert set(seen.failed_writes) <= {"Unavailable", "DeadlineExceeded"}
    assert seen.repeated > 0
    assert seen.lost == 0
    assert seen.duplicates == 0
