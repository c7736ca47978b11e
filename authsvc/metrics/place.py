"""Which worker a process is: what its supervisor tells it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Place:
    """Which worker this process is, of how many."""

    number: int = 0
    workers: int = 1
    restarts: int = 0
    """How often its supervisor has started this worker anew."""
    directory: Path | None = None
    """Where the workers' sockets are; None for a process that serves alone."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes listen on the same ports."""
        return self.workers > 1


ALONE: Final = Place()
