"""`authsvc key`: create, rotate, revoke and validate API keys, through a running server."""

from __future__ import annotations

import io
import sys
from datetime import timedelta
from typing import Annotated, Final

import typer

from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.failures import Failure
from authsvc.cli.key_options import (
    AccountOption,
    AllowAddressOption,
    ClientIpOption,
    ReasonOption,
    RequestIdOption,
    RequiredScopeOption,
    asking_for_account,
    check_reason,
    parse_duration,
    parse_rate_limit,
    request_context,
    request_id_text,
)
from authsvc.cli.key_output import key_fields, print_new_key
from authsvc.cli.key_rotation import rotate
from authsvc.cli.output import JsonOption, print_fields, print_json, wait_text
from authsvc.cli.usage import key_usage
from orchestrator.auth import (
    Principal,
    RateLimit,
    Secret,
    Verdict,
)

app = typer.Typer(
    name="key",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Create, import, list, change, rotate, revoke and validate API keys, and see their use.",
)

DENIED_EXIT_CODE: Final = 3


def parse_metadata(pairs: list[str]) -> dict[str, str]:
    """Read notes such as team=payments.

    Raises:
        typer.BadParameter: One is none, or a name is given twice.
    """
    metadata = dict(pair.partition("=")[::2] for pair in pairs)
    if any("=" not in pair for pair in pairs) or len(metadata) != len(pairs):
        raise typer.BadParameter("give --metadata as name=value, each name once")
    return metadata


@app.command("create")
@with_connection
def create(
    connection: Connection,
    name: Annotated[str, typer.Argument(help="What people will know the key by.")],
    *,
    account: AccountOption = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="What the key may do; repeatable. Default: *."),
    ] = None,
    ttl: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration,
            metavar="DURATION",
            help="How long it lives: 90d, 12h, … Default: for ever.",
        ),
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A note; repeatable.")
    ] = None,
    allow_address: AllowAddressOption = None,
    rate_limit: Annotated[
        RateLimit | None,
        typer.Option(
            parser=parse_rate_limit,
            metavar="RATE",
            help="How often it may be used: 100/min, 5/s, 9/day, 50/90s, … Default: no limit.",
        ),
    ] = None,
    request_id: RequestIdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and show its secret, this once."""
    notes = parse_metadata(metadata or [])
    with connection.open_client() as client, asking_for_account(account, "make keys"):
        created = client.create_key(
            name,
            account_id=account,
            scopes=scope or (),
            ttl=ttl,
            metadata=notes,
            allowed_addresses=allow_address or (),
            rate_limit=rate_limit,
            request_id=request_id_text(request_id),
        )
    if as_json:
        print_json(created)
        return
    print_new_key("Key created.", created.key, created.secret)


app.command("rotate")(rotate)
app.command("usage")(key_usage)


@app.command("revoke")
@with_connection
def revoke(
    connection: Connection,
    key_id: Annotated[
        str | None, typer.Argument(help="The key (key_…). Without it: --secret.")
    ] = None,
    *,
    secret: Annotated[
        bool,
        typer.Option("--secret", help="Read the key's secret from standard input or a prompt."),
    ] = False,
    reason: ReasonOption = None,
    note: Annotated[str, typer.Option(help="A note for people, kept with the key.")] = "",
    as_json: JsonOption = False,
) -> None:
    """End a key for good. Repeating it changes nothing."""
    if (key_id is None) != secret:
        raise typer.BadParameter("give either a key id or --secret")
    check_reason(reason)
    with connection.open_client() as client:
        if key_id is None:
            revoked = client.revoke_key(
                secret=Secret(read_credential("The key's secret")), reason=reason, note=note
            )
        else:
            revoked = client.revoke_key(key_id=key_id, reason=reason, note=note)
    if as_json:
        print_json(revoked)
    else:
        print_fields("Key revoked.", key_fields(revoked.key))


@app.command("validate")
@with_connection
def validate(
    connection: Connection,
    *,
    scope: RequiredScopeOption = None,
    client_ip: ClientIpOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a credential: a key or a JWT, read from standard input or a prompt.

    Exit code 0: it is good. 3: it is denied. 1: it could not be judged.
    """
    with connection.open_client() as client:
        verdict = client.check(
            read_credential("The credential"),
            required_scopes=scope or (),
            context=request_context(client_ip),
        )
    if as_json:
        outcome = "principal" if verdict else "denial"
        print_json({outcome: verdict.outcome, "freshness": verdict.freshness})
    else:
        _print_verdict(verdict)
    if not verdict:
        raise typer.Exit(DENIED_EXIT_CODE)


def read_credential(prompt: str) -> str:
    """Read a credential where it stays out of the shell's history and the process list.

    The one line break that `echo` puts behind a line is not part of it.

    Raises:
        Failure: Standard input is not text.
    """
    if sys.stdin.isatty():
        # The prompt goes to standard error: standard output may lead to another program.
        return str(typer.prompt(prompt, hide_input=True, default="", show_default=False, err=True))
    if isinstance(sys.stdin, io.TextIOWrapper):
        # Otherwise a carriage return, for which a server denies a key, would go unseen.
        sys.stdin.reconfigure(newline="")
    try:
        return sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise Failure("standard input is not text in UTF-8") from None


def _print_verdict(verdict: Verdict) -> None:
    freshness = verdict.freshness
    fields: dict[str, object] = {}
    if isinstance(verdict.outcome, Principal):
        principal = verdict.outcome
        title = "Good."
        fields |= {
            "kind": principal.kind,
            "account": principal.account_id,
            "key": principal.key_id,
            "name": principal.key_name,
            "user": principal.user_id,
            "session": principal.session_id,
            "scopes": principal.scopes,
            "expires": principal.expire_time,
            "superseded by": principal.superseded_by,
            "retires": principal.retire_time,
            "metadata": principal.metadata,
        }
    else:
        denial = verdict.outcome
        title = "Denied."
        fields |= {
            "reason": denial.reason,
            "message": denial.message,
            "HTTP status": f"{denial.http_status} {denial.error}",
            "WWW-Authenticate": denial.www_authenticate,
            "retry after": wait_text(denial.retry_after),
        }
    fields |= {"as of": freshness.as_of, "source": freshness.source}
    print_fields(title, fields)
