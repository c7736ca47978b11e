"""How many processors count, by what the system lets the process have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from authsvc.settings.processors import usable_processors


@pytest.fixture(autouse=True)
def _eight_to_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


def usable(tmp_path: Path, membership: str, files: dict[str, str]) -> int:
    """Count with control groups that have these files."""
    cgroups = tmp_path / "cgroup"
    for name, content in files.items():
        file = cgroups / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (tmp_path / "self").write_text(membership)
    return usable_processors(cgroups, tmp_path / "self")


def test_without_control_groups_it_is_those_that_the_process_may_run_on(tmp_path: Path) -> None:
    assert usable_processors(tmp_path / "none", tmp_path / "none") == 8


@pytest.mark.parametrize(
    ("quota", "processors"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("20000 100000\n", 1),
        ("1600000 100000\n", 8),
        ("nonsense\n", 8),
    ],
)
def test_the_second_version_of_control_groups_is_heeded(
    tmp_path: Path, quota: str, processors: int
) -> None:
    assert usable(tmp_path, "0::/\n", {"cpu.max": quota}) == processors


def test_the_least_of_the_groups_above_counts(tmp_path: Path) -> None:
    files = {
        "cpu.max": "700000 100000",
        "system.slice/cpu.max": "300000 100000",
        "system.slice/authsvc.service/cpu.max": "max 100000",
    }

    assert usable(tmp_path, "0::/system.slice/authsvc.service\n", files) == 3


@pytest.mark.parametrize(("quota", "processors"), [("-1\n", 8), ("250000\n", 3)])
@pytest.mark.parametrize("own", ["", "docker/0123"])
def test_the_first_version_of_control_groups_is_heeded(
    tmp_path: Path, quota: str, processors: int, own: str
) -> None:
    # In a container the path may be the host's, and the container's own group the root.
    files = {"cpu/cpu.cfs_quota_us": quota, "cpu/cpu.cfs_period_us": "100000\n"}
    membership = f"9:name=systemd:/\n3:cpuset:/\n1:cpu,cpuacct:/{own}\n"

    assert usable(tmp_path, membership, files) == processors
