"""The audit log in Postgres.

What changes keys and accounts is written by triggers, in the transaction of the change
(docs/adr/0010). Here is written what changes nothing, and read what there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any, Final, TypeVar

from authsvc.domain import ids
from authsvc.domain.audit import (
    DONE,
    LOGINS,
    AuditEvent,
    AuditFilter,
    AuditPosition,
    AuditRecord,
    OutcomeClass,
    TargetKind,
)
from authsvc.domain.clock import Deadline
from authsvc.domain.origin import ActorKind
from authsvc.postgres.database import Connection, Database, Row

_APPEND: Final = "SELECT authsvc.append_audit_event($1, $2, $3, $4, $5, NULL, NULL)"
_MAINTAIN: Final = "SELECT authsvc.maintain_audit()"
_COLUMNS: Final = """
event_time, event_id, actor_kind, actor_id, actor_account_id, action, target_kind, target_id,
account_id, request_id, address, outcome, before, after
"""

KnownKind = TypeVar("KnownKind", bound=Enum)


async def append_record(connection: Connection, record: AuditRecord) -> None:
    """Write what changed nothing."""
    target = record.target
    await connection.execute(
        _APPEND,
        json.dumps(asdict(record.origin)),
        target.kind.value if target else "",
        target.target_id if target else "",
        record.account_id,
        record.outcome,
    )


class PostgresAuditLog:
    """Reads the audit log, writes what no trigger sees, and makes room for what is to come."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def append(self, record: AuditRecord, deadline: Deadline) -> None:
        """Write what changed nothing.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        await self._database.run_unit(
            lambda connection: append_record(connection, record), deadline
        )

    async def list_events(
        self, wanted: AuditFilter, *, after: AuditPosition | None, limit: int, deadline: Deadline
    ) -> list[AuditEvent]:
        """Return up to `limit` events, newest first, that are older than the one at `after`."""
        statement, values = events_statement(wanted, after, limit)

        rows = await self._database.fetch_rows(deadline, statement, *values)
        return [_event(row) for row in rows]

    async def maintain(self, deadline: Deadline) -> None:
        """Make the tables of this month and the next two, if they are not there yet."""

        async def maintain(connection: Connection) -> None:
            await connection.execute(_MAINTAIN)

        await self._database.run_unit(maintain, deadline)


def events_statement(
    wanted: AuditFilter, after: AuditPosition | None, limit: int
) -> tuple[str, Sequence[Any]]:
    """Return what reads up to `limit` events, newest first, and its values."""
    conditions, values = _conditions(wanted, after)
    statement = f"""
        SELECT {_COLUMNS} FROM authsvc.audit_events
         WHERE {" AND ".join(conditions) or "true"}
         ORDER BY event_time DESC, event_id DESC LIMIT {limit:d}
    """
    return statement, values


def _conditions(
    wanted: AuditFilter, after: AuditPosition | None
) -> tuple[Sequence[str], Sequence[Any]]:
    # Only what is asked for, so that the planner can choose the index that suits it.
    conditions: list[str] = []
    values: list[Any] = []

    def add(condition: str, *more: Any) -> None:  # noqa: ANN401 - asyncpg takes any value
        numbers = range(len(values) + 1, len(values) + 1 + len(more))
        conditions.append(condition.format(*(f"${number}" for number in numbers)))
        values.extend(more)

    for column in ("account_id", "actor_id", "target_id"):
        if value := getattr(wanted, column):
            add(f"{column} = {{0}}", value)
    if wanted.actor_id and wanted.shown_to:
        add(
            "(actor_account_id = {0} OR actor_kind = ANY({1}::text[]))",
            wanted.shown_to,
            [kind.value for kind in ActorKind if kind not in LOGINS],
        )
    for condition, value in _conditions_of_actions(wanted.actions):
        add(condition, value)
    if wanted.outcome is not OutcomeClass.ANY:
        add(_condition_of_outcome(wanted))
    if wanted.start_time is not None:
        add("event_time >= {0}", wanted.start_time)
    if wanted.end_time is not None:
        add("event_time < {0}", wanted.end_time)
    if after is not None:
        add("(event_time, event_id) < ({0}, {1})", after.event_time, ids.uuid_of(after.event_id))
    return conditions, values


def _condition_of_outcome(wanted: AuditFilter) -> str:
    if wanted.outcome is OutcomeClass.SUCCEEDED:
        return f"outcome = '{DONE}'"
    # In the words of the index that is to be used.
    if wanted.account_id or wanted.actor_id or wanted.target_id:
        return f"outcome <> '{DONE}'"
    return f"(outcome = '{DONE}') IS NOT TRUE"


def _conditions_of_actions(actions: Sequence[str]) -> Iterator[tuple[str, Any]]:
    # The index is on what follows the slash. One name leads to its events in their order.
    names = list({action.rpartition("/")[2] for action in actions})
    if len(names) == 1:
        yield "split_part(action, '/', -1) = {0}", names[0]
    elif names:
        yield "split_part(action, '/', -1) = ANY({0}::text[])", names
    if any("/" in action for action in actions):
        yield (
            "(action = ANY({0}::text[]) OR split_part(action, '/', -1) = ANY({0}))",
            list(actions),
        )


def _event(row: Row) -> AuditEvent:
    columns = dict(row)
    columns["event_id"] = ids.id_of(ids.AUDIT_EVENT, row["event_id"])
    columns["actor_kind"] = _known(ActorKind, row["actor_kind"])
    columns["target_kind"] = _known(TargetKind, row["target_kind"])
    for column in ("before", "after"):
        columns[column] = None if row[column] is None else json.loads(row[column])
    return AuditEvent(**columns)


def _known(kinds: type[KnownKind], value: str) -> KnownKind | None:
    try:
        return kinds(value)
    except ValueError:
        return None
