"""`authsvc explain`: why a credential is refused, through a running server.

Nothing of the credential is printed.
"""

from __future__ import annotations

import typer

from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.key import DENIED_EXIT_CODE, read_credential
from authsvc.cli.key_options import ClientIpOption, RequiredScopeOption, rate_text, request_context
from authsvc.cli.output import JsonOption, print_fields, print_json
from orchestrator.auth import Explanation, Finding, Key


@with_connection
def explain(
    connection: Connection,
    *,
    scope: RequiredScopeOption = None,
    client_ip: ClientIpOption = None,
    as_json: JsonOption = False,
) -> None:
    r"""Tell why a credential is refused: a key or a JWT, read from standard input or a prompt.

    Give it as the client sends it: the header's value, or the credential alone. Nothing of it is
    shown. The line break that `echo` adds is taken off; a second one, which the client really
    sends, is reported: `printf '%s\n\n' "$KEY" | authsvc explain`.

    Exit code 0: it is good. 3: it is denied. 1: it could not be judged.
    """
    with connection.open_client() as client:
        explanation = client.explain(
            read_credential("The credential"),
            required_scopes=scope or (),
            context=request_context(client_ip),
        )
    if as_json:
        _print_json(explanation)
    else:
        _print(explanation)
    if not explanation:
        raise typer.Exit(DENIED_EXIT_CODE)


def _print_json(explanation: Explanation) -> None:
    verdict = explanation.verdict
    print_json(
        {
            "principal" if verdict else "denial": verdict.outcome,
            "freshness": verdict.freshness,
            "findings": explanation.findings,
            "hint": explanation.hint,
            "key": explanation.key,
            "missing_scopes": explanation.missing_scopes,
        }
    )


def _print(explanation: Explanation) -> None:
    denial = explanation.verdict.denial
    typer.echo(f"Denied: {denial.message} ({denial.http_status})." if denial else "Good.")
    for finding in explanation.findings:
        typer.echo(f"  - {_line(finding)}")
    fields = {} if explanation.key is None else _fields(explanation.key)
    if explanation.missing_scopes:
        fields["missing"] = explanation.missing_scopes
    if fields:
        print_fields("", fields)
    # Of a good credential the hint says what the first line does.
    if denial:
        typer.echo(f"\n{explanation.hint}")


def _line(finding: Finding) -> str:
    # Some texts have the position in them already.
    if finding.position is None or "position" in finding.text:
        return finding.text
    return f"{finding.text} (position {finding.position})"


def _fields(key: Key) -> dict[str, object]:
    return {
        "key": key.key_id,
        "account": key.account_id,
        "name": key.name,
        "state": key.state,
        "created": key.create_time,
        "last used": key.last_use_time,
        "superseded by": key.superseded_by,
        "expires": key.expire_time,
        "revoked": key.revoke_time,
        "reason": key.revoke_reason if key.revoke_time else None,
        "note": key.revoke_note,
        "scopes": key.scopes,
        "allowed from": "\n".join(key.allowed_addresses),
        "rate limit": rate_text(key.rate_limit),
    }
