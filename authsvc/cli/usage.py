"""`authsvc key usage` and `authsvc account usage`, through a running server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

import typer

from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.key_options import KeyArgument, asking_for_account, parse_duration
from authsvc.cli.output import JsonOption, as_text, print_fields, print_json, print_rows
from orchestrator.auth import (
    AccountUsage,
    AuthClient,
    CallerUsage,
    Key,
    KeyState,
    KeyUsage,
    NotFound,
    UsageGranularity,
    UsageInterval,
)

# A program that did not use its key for so long may well have changed; a job that runs by the day
# has not, which is why the table is there.
_IDLE: Final = timedelta(hours=1)


class By(StrEnum):
    """How long an interval is."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True)
class Rotation:
    """What has become of a key's rotation."""

    successor: Key
    usage: KeyUsage
    """The successor's."""
    now: datetime


SinceOption = Annotated[
    timedelta | None,
    typer.Option(
        parser=parse_duration,
        metavar="DURATION",
        help="How far back to look: 24h, 7d, … Default: 24h by hour, 30d by day.",
    ),
]
ByOption = Annotated[
    By | None,
    typer.Option(
        help="Count by hour or by day (UTC). Default: by hour, up to 31d.", case_sensitive=False
    ),
]


@with_connection
def key_usage(
    connection: Connection,
    key_id: KeyArgument,
    *,
    since: SinceOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how often a key is used, from where, and who asked about it.

    Of a rotated key it shows its successor beside it. What servers have counted in the last seconds
    may be missing.
    """
    start_time, granularity = _period(since, by)
    with connection.open_client() as client:
        usage = client.get_key_usage(key_id, start_time=start_time, granularity=granularity)
        if as_json:
            print_json(usage)
            return
        key = client.get_key(key_id)
        rotation = _rotation(client, key, start_time, granularity)
    _print_key_usage(key, usage, rotation)


@with_connection
def account_usage(
    connection: Connection,
    account_id: Annotated[
        str | None,
        typer.Argument(help="The account (acct_…). Optional with a key of that account."),
    ] = None,
    *,
    since: SinceOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how often all keys of an account are used together.

    What servers have counted in the last seconds may be missing.
    """
    start_time, granularity = _period(since, by)
    with (
        connection.open_client() as client,
        asking_for_account(account_id, "see the usage of keys", "its id"),
    ):
        usage = client.get_account_usage(account_id, start_time=start_time, granularity=granularity)
    if as_json:
        print_json(usage)
        return
    print_fields("Usage.", {"account": account_id} | _totals(usage))
    _print_intervals(usage.intervals)


def _period(
    since: timedelta | None, by: By | None
) -> tuple[datetime | None, UsageGranularity | None]:
    start_time = None if since is None else datetime.now(UTC) - since
    return start_time, None if by is None else UsageGranularity(by.name)


def _rotation(
    client: AuthClient,
    key: Key,
    start_time: datetime | None,
    granularity: UsageGranularity | None,
) -> Rotation | None:
    if not key.superseded_by:
        return None
    try:
        successor = client.get_key(key.superseded_by)
        usage = client.get_key_usage(
            key.superseded_by, start_time=start_time, granularity=granularity
        )
    except NotFound:
        return None
    return Rotation(successor, usage, datetime.now(UTC))


def _print_key_usage(key: Key, usage: KeyUsage, rotation: Rotation | None) -> None:
    fields: dict[str, object] = {"key": key.key_id, "name": key.name, "state": key.state}
    fields |= {"last used": usage.last_use_time or "never"} | _totals(usage)
    if rotation is not None:
        fields |= {"superseded by": key.superseded_by, "retires": key.expire_time}
    print_fields("Usage.", fields)
    _print_intervals(usage.intervals, None if rotation is None else rotation.usage)
    if usage.client_addresses:
        typer.echo()
        print_rows(
            ("ADDRESS", "", "CALLS", "FIRST SEEN", "LAST SEEN"),
            [
                (a.address, "NEW" * a.is_new, a.call_count, a.first_seen_time, a.last_seen_time)
                for a in usage.client_addresses
            ],
            numbers=["CALLS"],
        )
    if usage.callers:
        typer.echo()
        print_rows(
            ("CALLER", "CALLS", "FIRST SEEN", "LAST SEEN", "NAME"),
            [
                (_caller(c), c.call_count, c.first_seen_time, c.last_seen_time, c.name)
                for c in usage.callers
            ],
            numbers=["CALLS"],
        )
    if rotation is not None:
        typer.echo(f"\n{describe_rotation(key, usage, rotation)}")


def describe_rotation(key: Key, usage: KeyUsage, rotation: Rotation) -> str:
    """Say how far the programs are that use a rotated key."""
    if key.state is not KeyState.ACTIVE:
        return f"The old key works no longer: it is {key.state}."
    # The time of last use is to a minute, and may be that of before the rotation.
    seen = [caller.last_seen_time for caller in usage.callers]
    last_seen = max(seen, default=usage.last_use_time)
    unused_since_rotation = last_seen is None or last_seen < rotation.successor.create_time
    if last_seen is not None and not unused_since_rotation and last_seen > rotation.now - _IDLE:
        return (
            f"The old key is still in use. Its programs have until {as_text(key.expire_time)} to "
            "change to the new one."
        )
    if rotation.usage.last_use_time is None:
        return (
            "The new key was not used yet. Give it to the programs of the old one, which works "
            f"until {as_text(key.expire_time)}."
        )
    how_long = "since its rotation" if unused_since_rotation else "for an hour"
    return (
        f"The old key was not used {how_long}, and the new one is in use. To end the old one "
        f"before its time: authsvc key revoke {key.key_id} --reason superseded"
    )


def _totals(usage: KeyUsage | AccountUsage) -> dict[str, object]:
    return {"granted": usage.granted_count, "denied": usage.denied_count}


def _print_intervals(
    intervals: tuple[UsageInterval, ...], successor: KeyUsage | None = None
) -> None:
    """Print a line for each interval that had calls; with a successor, both keys side by side."""
    columns = ["FROM (UTC)", "GRANTED", "DENIED", "WHY DENIED"]
    theirs: Mapping[datetime, int] = {}
    if successor is not None:
        columns[2:2] = ["SUCCESSOR", "ITS SHARE"]
        theirs = {each.start_time: each.granted for each in successor.intervals}
    rows = []
    for each in intervals:
        other = theirs.get(each.start_time, 0)
        if each.granted or each.denied or other:
            why = ", ".join(f"{reason} {count}" for reason, count in each.denials.items())
            row = [each.start_time, each.granted, each.denied, why]
            if successor is not None:
                both = each.granted + other
                row[2:2] = [other, f"{other * 100 // both} %" if both else ""]
            rows.append(row)
    typer.echo()
    if rows:
        print_rows(columns, rows, numbers=["GRANTED", "SUCCESSOR", "ITS SHARE", "DENIED"])
    else:
        typer.echo("No calls in this time.")


def _caller(caller: CallerUsage) -> str:
    return caller.key_id or caller.certificate_name or "authsvc itself"
