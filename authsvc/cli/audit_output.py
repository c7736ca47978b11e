"""How events of the audit log look to people: a line for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from authsvc.cli.output import as_text
from orchestrator.auth import ActorKind, AuditEvent

# What says enough of a key, an account or a user that is new, or gone.
_SUMMARY: Final = (
    "name",
    "display_name",
    "email",
    "role",
    "scopes",
    "expire_time",
    "allowed_addresses",
    "rate_limit_requests",
    "rate_limit_seconds",
    "algorithm",
)
_NOBODY: Final = "nobody"

COLUMNS: Final = ("TIME", "ACTION", "OUTCOME", "ACTOR", "TARGET", "CHANGE")


def audit_row(event: AuditEvent) -> tuple[object, ...]:
    """Return what is shown of an event, in the order of `COLUMNS`."""
    return (
        event.event_time,
        event.action.rpartition("/")[2],
        event.outcome,
        _actor(event),
        event.target.target_id if event.target else "",
        change_text(event),
    )


def change_text(event: AuditEvent) -> str:
    """Return what an event changed, on one line; empty for what was refused."""
    before, after = event.before, event.after
    if before is not None and after is not None:
        return ", ".join(
            f"{name}: {_shown(name, before.get(name))} -> {_shown(name, value)}"
            for name, value in after.items()
        )
    if after is not None:
        return f"new: {_summary(after)}"
    if before is not None:
        return f"gone: {_summary(before)}"
    return "nothing changed" if event.succeeded else ""


def _actor(event: AuditEvent) -> str:
    actor = event.actor
    if actor.kind is ActorKind.ANONYMOUS:
        return f"{_NOBODY} at {event.address}" if event.address else _NOBODY
    if actor.kind in {ActorKind.KEY, ActorKind.USER, ActorKind.CERTIFICATE}:
        return actor.actor_id
    return f"{actor.kind.lower()} {actor.actor_id}".rstrip()


def _summary(fields: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name}: {_shown(name, fields[name])}"
        for name in _SUMMARY
        if fields.get(name) not in (None, [])
    )


def _shown(name: str, value: object) -> str:
    match value:
        case None:
            return "-"
        case str() if name.endswith("_time"):
            return _moment(value)
        case list() if value:
            return " ".join(_shown("", item) for item in value)
        case str() if value and value.isprintable():
            return value
    # A note may have several lines, and what was written by hand may have anything.
    return json.dumps(value)


def _moment(text: str) -> str:
    try:
        return as_text(datetime.fromisoformat(text))
    except ValueError:
        return json.dumps(text)
