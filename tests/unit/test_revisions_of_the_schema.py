"""The revisions of the schema are named so that the later one is the greater one."""

from __future__ import annotations

import importlib
import pkgutil
import re
from itertools import pairwise
from pathlib import Path

from authsvc.postgres import schema
from authsvc.postgres.migrations import versions


def test_names_ascend_along_the_one_chain() -> None:
    modules = [
        importlib.import_module(f"{versions.__name__}.{module.name}")
        for module in pkgutil.iter_modules(versions.__path__)
    ]
    follower = {module.down_revision: module.revision for module in modules}
    assert len(follower) == len(modules), "two revisions come after the same one"

    chain: list[str] = []
    revision = follower.get(None)
    while revision is not None:
        chain.append(revision)
        revision = follower.get(revision)

    assert len(chain) == len(modules)
    assert all(earlier < later for earlier, later in pairwise(chain))
    assert chain[-1] == schema.newest_revision()


# What later revisions build with a lock that writers wait for, and why that is no harm.
_BUILT_UNDER_A_LOCK: dict[str, str] = {}
_NEW_INDEX = re.compile(
    r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)(?:IF NOT EXISTS )?(\w+)\s+ON (?:ONLY )?([\w.]+)"
)
_NEW_TABLE = re.compile(r"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?([\w.]+)")


def indexes_built_under_a_lock(source: str) -> set[str]:
    """Return the indexes that a revision builds on tables which it has not made itself."""
    made = set(_NEW_TABLE.findall(source))
    return {index for index, table in _NEW_INDEX.findall(source) if table not in made}


def test_an_index_on_a_table_that_is_there_keeps_no_writer_waiting() -> None:
    sources = {
        path.name: path.read_text() for path in Path(versions.__path__[0]).glob("[0-9v]*.py")
    }
    late = {name: source for name, source in sources.items() if _number(name) > 13}
    found = {index for source in late.values() for index in indexes_built_under_a_lock(source)}

    assert found == set(_BUILT_UNDER_A_LOCK), "use CONCURRENTLY, or say why it need not be"


def test_such_an_index_is_found() -> None:
    (source,) = (
        path.read_text() for path in Path(versions.__path__[0]).glob("*.py") if "0013" in path.name
    )

    assert indexes_built_under_a_lock(source) == {"sessions_live_of_account", "accounts_disabled"}
    concurrently = source.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY")
    assert indexes_built_under_a_lock(concurrently) == set()


def _number(name: str) -> int:
    found = re.search(r"\d+", name)
    assert found is not None, f"{name}: no number of a revision"
    return int(found.group())
