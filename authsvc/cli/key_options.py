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
from orchestrator.auth import InvalidArgument, RateLimit, RequestContext, RevocationReason

_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_NOTHING: Final = re.compile(r"0[smhd]?")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_RATE: Final = re.compile(r"([1-9][0-9]{0,8})/([^/]+)")
_PERIODS: Final = {"s": "1s", "min": "1m", "h": "1h", "day": "1d"}

KeyArgument = Annotated[str, typer.Argument(help="The key (key_…).")]
AccountOption = Annotated[
    str | None,
    typer.Option(help="The account (acct_…). Optional with a key of that account."),
]
RequiredScopeOption = Annotated[
    list[str] | None, typer.Option(metavar="SCOPE", help="A scope it must have; repeatable.")
]
ReasonOption = Annotated[RevocationReason | None, typer.Option(help="Why.", case_sensitive=False)]

RequestIdOption = Annotated[
    uuid.UUID | None,
    typer.Option(
        metavar="UUID",
        help="Makes the command safe to repeat: with the same UUID and the same arguments, the "
        "same key and secret are shown again, within the server's window (an hour unless set). "
        "Draw it at random. Default: a new one.",
    ),
]

ClientIpOption = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="The IP address of the client that presented it."),
]
AllowAddressOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-address",
        metavar="ADDRESS",
        help="An IP address or network, like 192.0.2.0/24, that it may be used from; repeatable. "
        "Default: anywhere.",
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


def check_reason(reason: RevocationReason | None) -> None:
    """Let pass only a reason that can be sent.

    Raises:
        typer.BadParameter: It is none.
    """
    if reason is RevocationReason.UNKNOWN:
        words = [word.lower() for word in RevocationReason if word is not RevocationReason.UNKNOWN]
        raise typer.BadParameter(f"give --reason as {', '.join(words[:-1])} or {words[-1]}")


def parse_rate_limit(text: str) -> RateLimit:
    """Read a rate limit such as 100/min, 5/s, 1000/h, 9/day, or 100/90s.

    Raises:
        typer.BadParameter: It is none.
    """
    match = _RATE.fullmatch(text)
    if match is not None:
        period = _PERIODS.get(match[2], match[2])
        if _DURATION.fullmatch(period):
            return RateLimit(int(match[1]), parse_duration(period))
    raise typer.BadParameter(
        "give a number of requests and a period: 100/min, 5/s, 9/day or 50/90s"
    )


def rate_text(limit: RateLimit | None) -> str | None:
    """Return a rate limit as `parse_rate_limit` reads it."""
    if limit is None:
        return None
    seconds = int(limit.period.total_seconds())
    names = {int(parse_duration(period).total_seconds()): unit for unit, period in _PERIODS.items()}
    return f"{limit.requests}/{names.get(seconds, f'{seconds}s')}"


def request_context(client_ip: str | None) -> RequestContext | None:
    """Return what is known of the client's request."""
    return None if client_ip is None else RequestContext(client_ip=client_ip)


def request_id_text(request_id: uuid.UUID | None) -> str | None:
    """Return a request id as the client takes it."""
    return None if request_id is None else str(request_id)


@contextmanager
def asking_for_account(
    account: str | None, doing: str, argument: str = "--account"
) -> Iterator[None]:
    """Ask for an account where the caller may do something in any account.

    Args:
        account: What was given.
        doing: What is done, such as `list keys`.
        argument: How the account is given.

    Raises:
        Failure: None was given, and the server needs one.
    """
    try:
        yield
    except InvalidArgument as error:
        if account is None and any(v.field == "account_id" for v in error.field_violations):
            raise Failure(
                f"the caller may {doing} of any account, so say of which one: give {argument} "
                "(`authsvc account list` shows them)"
            ) from None
        raise
