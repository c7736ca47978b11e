"""Errors of the database are counted in few classes, whatever it says."""

from __future__ import annotations

import asyncpg
import pytest

from authsvc.domain.errors import KeyNameTaken
from authsvc.postgres.figures import DatabaseFigures


class OfOurOwn(asyncpg.PostgresError):
    sqlstate = "ZZ001"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.DeadlockDetectedError(), "40"),
        (asyncpg.UniqueViolationError(), "23"),
        (asyncpg.QueryCanceledError(), "57"),
        (OfOurOwn(), "other"),
        (TimeoutError(), "deadline"),
        (ConnectionResetError(), "connection"),
        (asyncpg.InterfaceError("the pool is closed"), "connection"),
    ],
)
def test_an_error_is_counted_by_its_class(error: Exception, kind: str) -> None:
    figures = DatabaseFigures()

    figures.count_error(error)

    assert figures.errors == {kind: 1}


@pytest.mark.parametrize("error", [KeyNameTaken(), ValueError("a fault of ours")])
def test_what_is_no_error_of_the_database_is_not_counted(error: Exception) -> None:
    figures = DatabaseFigures()

    figures.count_error(error)

    assert not figures.errors
