"""A Postgres that is installed beside the embedded one, another version of it as a rule."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import TEST_DATABASE_URL

STATISTICS: Final = "pg_stat_statements"
"""What the embedded package lacks."""


def _find_programs() -> Path | None:
    """Return the programs of the newest installed Postgres that has pg_stat_statements."""
    if TEST_DATABASE_URL:
        return None
    if chosen := os.environ.get("AUTHSVC_TEST_POSTGRES_BIN"):
        return Path(chosen)
    found = Path("/usr/lib/postgresql").glob(f"[0-9]*/lib/{STATISTICS}.so")
    return max(
        (library.parents[1] / "bin" for library in found),
        key=lambda programs: float(programs.parent.name),
        default=None,
    )


INSTALLED: Final = _find_programs()
needs_installed_postgres = pytest.mark.skipif(
    INSTALLED is None,
    reason=f"no Postgres with {STATISTICS} is installed: apt-get install postgresql",
)
