"""The hosts that a database's URL names."""

from __future__ import annotations

import pytest

from authsvc.domain.database_hosts import hosts_of


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql:///db", []),
        ("postgresql://u:p@a/db", [("a", 5432)]),
        ("postgresql://u:p@a,b:6000/db", [("a", 5432), ("b", 6000)]),
        ("postgresql://u@[::1]:6000,b/db", [("::1", 6000), ("b", 5432)]),
        ("postgresql://u@/db?host=a,b&port=1,2", [("a", 1), ("b", 2)]),
        ("postgresql://u@/db?host=/run/a,/run/b&port=7", [("/run/a", 7), ("/run/b", 7)]),
    ],
)
def test_hosts_are_read_as_libpq_reads_them(url: str, hosts: list[tuple[str, int]]) -> None:
    assert hosts_of(url) == hosts


@pytest.mark.parametrize("where", ["a,,b", "a:x,b"])
def test_hosts_that_make_no_sense_are_refused(where: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        hosts_of(f"postgresql://{where}/db")
