"""`authsvc key revoke-all` and `report-leak`: for incidents, through a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from authsvc.cli.connection import (
    DEFAULT_ADDRESS,
    AddressOption,
    CertificatesOption,
    Connection,
    PlaintextOption,
    open_anonymous_client,
    with_connection,
)
from authsvc.cli.failures import Failure
from authsvc.cli.key import read_credential
from authsvc.cli.key_options import AccountOption, ReasonOption, asking_for_account, check_reason
from authsvc.cli.output import JsonOption, print_fields, print_json
from orchestrator.auth import (
    AuthClient,
    LeakReportOutcome,
    RevocationReason,
    RevokedKeys,
    Secret,
    Unavailable,
)

_TIMEOUT_SECONDS: Final = 30.0


@with_connection
def revoke_all(
    connection: Connection,
    *,
    account: AccountOption = None,
    excepted: Annotated[
        list[str] | None,
        typer.Option("--except", metavar="KEY", help="A key (key_…) to leave alone; repeatable."),
    ] = None,
    reason: ReasonOption = None,
    note: Annotated[str, typer.Option(help="A note for people, kept with each key.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """End every live key of an account for good, the caller's own too, unless it is excepted."""
    check_reason(reason)
    spared = excepted or []
    with connection.open_client() as client, asking_for_account(account, "end"):
        if not yes:
            whose = account or "the account of the caller's own key"
            but = f" but {', '.join(spared)}" if spared else ""
            typer.confirm(
                f"This ends every live key of {whose}{but}, for good. Go on?", abort=True, err=True
            )
        revoked = _revoke_all(client, account, spared, reason, note)
    if as_json:
        print_json(revoked)
    elif revoked.revoked_count:
        count = revoked.revoked_count
        typer.echo(f"{count:,} key{'s' if count > 1 else ''} revoked.")
    else:
        typer.echo("There was no key to revoke.")


def _revoke_all(
    client: AuthClient,
    account: str | None,
    spared: list[str],
    reason: RevocationReason | None,
    note: str,
) -> RevokedKeys:
    """Repeat the call as long as it gets on: very many keys take more time than one call has."""
    done = 0
    while True:
        try:
            revoked = client.revoke_keys(
                account_id=account,
                reason=reason,
                note=note,
                except_key_ids=spared,
                timeout=_TIMEOUT_SECONDS,
            )
        except Unavailable as error:
            more = int(error.metadata.get("revoked_count", "0"))
            if not more:
                raise
            done += more
            typer.echo(f"{done:,} keys revoked so far.", err=True)
        else:
            return RevokedKeys(done + revoked.revoked_count, revoked.revision)


def report_leak(
    *,
    found_at: Annotated[
        str,
        typer.Option(help="Where the secret was: a URL, or words. Its owner will read it."),
    ],
    secret_file: Annotated[
        Path | None,
        typer.Option(help="A file with the secret. Default: standard input or a prompt."),
    ] = None,
    as_json: JsonOption = False,
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    ca_file: CertificatesOption = None,
) -> None:
    """End a key whose secret was found where it should not be. Whoever holds it may: no key needed.

    The secret is read from standard input, a prompt or a file, never from the command line.
    """
    secret = Secret(_read_secret(secret_file).strip())
    with open_anonymous_client(address, ca_file, plaintext=plaintext) as client:
        reported = client.report_leaked_key(secret, found_at=found_at)
    if as_json:
        print_json(reported)
        return
    was_live = reported.outcome is LeakReportOutcome.REVOKED
    print_fields(
        "Key revoked." if was_live else "The key had been revoked before; nothing was changed.",
        {
            "key": reported.key_id,
            "revoked": reported.revoke_time,
            "found at": found_at if was_live else None,
        },
    )


def _read_secret(file: Path | None) -> str:
    if file is None:
        return read_credential("The secret that was found")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Failure(f"{file} should hold a secret, and nothing else") from None
