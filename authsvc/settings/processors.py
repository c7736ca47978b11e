"""How many processors this process may use, which in a container are fewer than its host has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_CGROUPS: Final = Path("/sys/fs/cgroup")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")


def usable_processors(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Return how many processors this process can keep busy; at least 1.

    It is those that it may run on, or the processor time that its control groups grant it (cgroups
    of either version), rounded up, if that is less.

    Args:
        cgroups: Where control groups are mounted.
        membership: Names those of this process, as `/proc/self/cgroup` does.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    granted = [share for group in _groups(cgroups, membership) if (share := _share(group))]
    return min([allowed, *map(math.ceil, granted)])


def _groups(cgroups: Path, membership: Path) -> Iterator[Path]:
    """Yield the groups of this process that may have a share, with those above them.

    A container may see a path of its host's here and its own group as the root of all.
    """
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root = cgroups
        elif "cpu" in controllers.split(","):
            root = cgroups / "cpu"
        else:
            continue
        group = root / path.lstrip("/")
        yield group
        yield from (above for above in group.parents if above.is_relative_to(root))


def _share(group: Path) -> float:
    """Return how many processors' time a group has; 0 where it says nothing of that."""
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if not period:
        quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    try:
        return max(0.0, int(quota) / int(period))
    except ValueError:  # "max", or no such file
        return 0.0


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
