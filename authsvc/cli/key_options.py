"""The values that commands about keys take: durations, request ids and accounts."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Final

import typer

from authsvc.cli.failures import Failure
from orchestrator.auth import InvalidArgument

_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_NOTHING: Final = re.compile(r"0[smhd]?")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

RequestIdOption = Annotated[
    uuid.UUID | None,
    typer.Option(
        metavar="UUID",
        help="Makes the command safe to repeat: with the same UUID and the same arguments, the "
        "same key and secret are shown again, within the server's window (an hour unless set). "
        "Draw it at random. Default: a new one.",
    ),
]


def parse_duration(text: str) -> timedelta:
    """Read a duration such as 90d, 12h, 30m or 45s.

    Raises:
        typer.BadParameter: It is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter("give a number and a unit: 90d, 12h, 30m or 45s")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_overlap(text: str) -> timedelta:
    """Read a duration that may be 0, with or without a unit.

    Raises:
        typer.BadParameter: It is none.
    """
    return timedelta(0) if _NOTHING.fullmatch(text) else parse_duration(text)


def request_id_text(request_id: uuid.UUID | None) -> str | None:
    """Return a request id as the client takes it."""
    return None if request_id is None else str(request_id)


@contextmanager
def asking_for_account(account: str | None, doing: str) -> Iterator[None]:
    """Ask for --account where the caller may do something to the keys of any account.

    Args:
        account: What was given.
        doing: What is done to the keys, as a verb.

    Raises:
        Failure: None was given, and the server needs one.
    """
    try:
        yield
    except InvalidArgument as error:
        if account is None and any(v.field == "account_id" for v in error.field_violations):
            raise Failure(
                f"the caller may {doing} keys of any account, so say of which one: give --account "
                "(`authsvc account list` shows them)"
            ) from None
        raise
