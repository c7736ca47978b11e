"""How keys look to people: their fields, and a new key with its secret."""

from __future__ import annotations

import typer

from authsvc.cli.key_options import rate_text
from authsvc.cli.output import print_fields
from orchestrator.auth import Key, Secret


def key_fields(key: Key) -> dict[str, object]:
    """Return what is shown of a key."""
    return {
        "key": key.key_id,
        "account": key.account_id,
        "name": key.name,
        "state": key.state,
        "scopes": key.scopes,
        "allowed from": "\n".join(key.allowed_addresses),
        "rate limit": rate_text(key.rate_limit),
        "hint": key.hint,
        "created": key.create_time,
        "expires": key.expire_time,
        "last used": key.last_use_time,
        "supersedes": key.supersedes,
        "superseded by": key.superseded_by,
        "revoked": key.revoke_time,
        "reason": key.revoke_reason if key.revoke_time else None,
        "note": key.revoke_note,
        "metadata": key.metadata,
    }


def print_new_key(title: str, key: Key, secret: Secret) -> None:
    """Print a new key, its secret and where that belongs."""
    print_fields(title, key_fields(key))
    typer.echo("\nThe secret, shown this once:\n")
    typer.echo(f"  {secret.reveal()}\n")
    # Keys with scopes of this service's own are for its callers.
    calls_us = any(granted.startswith("authsvc:") for granted in key.scopes)
    variable = "AUTHSVC_API_KEY" if calls_us else "ORCHESTRATOR_API_KEY"
    typer.echo(f"Keep it in {variable} of the program that uses it, never in code.")
