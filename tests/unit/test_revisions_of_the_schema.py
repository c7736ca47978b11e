"""The revisions of the schema are named so that the later one is the greater one."""

from __future__ import annotations

import importlib
import pkgutil
from itertools import pairwise

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
