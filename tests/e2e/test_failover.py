"""The database fails over under load: `benchmarks/failover.py`, once."""

from __future__ import annotations

from pathlib import Path

from benchmarks.failover import observe_failover


async def test_a_failover_loses_no_acknowledged_key_and_fails_no_cached_validation(
    tmp_path: Path,
) -> None:
    outcome = await observe_failover(tmp_path)
    seen = outcome.seen

    # Good validations went on through the outage, and said that they were stale
    assert seen.failed_validations == {}
    assert seen.validations["STALE"] > 0
    assert seen.longest_gap < outcome.promoted - outcome.killed

    # Others were told to come back, and then were answered; so said health
    assert seen.failed_reads.keys() <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    assert seen.failed_writes.keys() <= {"Unavailable", "DeadlineExceeded"}
    assert outcome.health_returned

    # A key whose commit nobody was told of was told to the repeat, and all were made once
    assert outcome.found_again == 1
    assert outcome.lost == 0
    assert outcome.duplicates == 0
