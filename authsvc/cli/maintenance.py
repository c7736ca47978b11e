"""`authsvc maintenance`: the upkeep of the database by hand, or as a job."""

from __future__ import annotations

import typer
import uvloop

from authsvc import app
from authsvc.cli.command_logs import log_as_set
from authsvc.cli.output import JsonOption, print_json
from authsvc.config import Settings, load_settings


def maintenance(*, as_json: JsonOption = False) -> None:
    """Do once, and to its end, what servers do in the background.

    Makes the months to come of usage and of the audit log, and removes what is past: usage,
    changes, kept answers, sessions and counts of logins. Ends what sessions disabled accounts have
    left. With AUTHSVC_AUDIT_RETENTION and as the owner of the tables, it also removes the past
    months of the audit log, which servers never do. Safe beside servers and other runs of it.
    Ends with 1 when a part could not be done; the log on standard error says why.
    """
    settings = load_settings()
    log_as_set(settings)
    done = uvloop.run(_maintain(settings))
    if as_json:
        print_json(done)
    else:
        for what, is_done in done.items():
            typer.echo(f"{what}: {'done' if is_done else 'not done'}")
    if not all(done.values()):
        raise typer.Exit(1)


async def _maintain(settings: Settings) -> dict[str, bool]:
    async with app.open_parts(settings) as parts:
        return await app.maintain_once(parts)
