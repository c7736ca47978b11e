"""`authsvc token`: access tokens for development and tests, straight from the keyring.

It needs the database and the encryption key, so it can do nothing that their holder could not.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer
import uvloop

from authsvc.app import open_parts, time_limit, token_signer, utc_now
from authsvc.cli.command_logs import log_as_set
from authsvc.cli.failures import Failure
from authsvc.cli.key_options import parse_duration
from authsvc.cli.local_database import (
    DEFAULT_DATA_DIR,
    DataDirOption,
    in_words_of_dev,
    load_local_settings,
)
from authsvc.cli.output import JsonOption, print_json
from authsvc.config import Settings
from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.scopes import without_reserved
from authsvc.domain.signing_keys import LONGEST_TOKEN_LIFE

app = typer.Typer(
    name="token",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Make access tokens for development and tests.",
)


@app.callback()
def _group() -> None:
    """Keep `mint` a command of its own, with others to come beside it."""


@app.command("mint")
def mint(
    *,
    account: Annotated[
        str | None,
        typer.Option(help="The account (acct_…). Default: the oldest one."),
    ] = None,
    user: Annotated[str, typer.Option(help="Whom the token stands for: its sub.")] = "user_dev",
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="What it may do; repeatable. Default: *."),
    ] = None,
    ttl: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration,
            metavar="DURATION",
            help="How long it is good; at most 1h. Default: AUTHSVC_ACCESS_TOKEN_TTL, which is "
            "15 minutes unless set.",
        ),
    ] = None,
    data_dir: DataDirOption = DEFAULT_DATA_DIR,
    as_json: JsonOption = False,
) -> None:
    """Print an access token (JWT) for a user of an account.

    Signed for the running `authsvc dev` of the data directory, or, when AUTHSVC_DATABASE_URL
    is set, for the service with that database and with AUTHSVC_ENCRYPTION_KEY.
    """
    scopes = tuple(scope or ["*"])
    violations = Violations()
    violations.check_scopes("scope", scopes)
    violations.check_name("user", user)
    violations.raise_if_any()
    if len(without_reserved(scopes)) < len(scopes):
        raise Failure("a token cannot carry authsvc: scopes; they go to keys only")
    if ttl is not None and ttl > LONGEST_TOKEN_LIFE:
        raise Failure(
            "--ttl: a token is good for an hour at most (1h), for its key verifies no longer "
            "than that after the next one has begun to sign"
        )
    settings = load_local_settings(data_dir)
    log_as_set(settings)
    life = timedelta(seconds=settings.access_token_ttl) if ttl is None else ttl
    with in_words_of_dev(data_dir):
        token = uvloop.run(_mint(settings, account, user, scopes, life))
    if as_json:
        print_json({"token": token})
    else:
        typer.echo(token)


async def _mint(
    settings: Settings, account_id: str | None, user: str, scopes: tuple[str, ...], ttl: timedelta
) -> str:
    async with open_parts(settings) as parts:
        account = (
            await parts.accounts.find_first_account(time_limit())
            if account_id is None
            else await parts.accounts.find_account(account_id, time_limit())
        )
        if account is None and account_id is None:
            raise Failure("there is no account yet; make one with `authsvc account create`")
        if account is None:
            raise Failure("there is no such account; `authsvc account list` shows them")
        signer = await token_signer(parts)
        return signer.sign(
            user_id=user,
            account_id=account.account_id,
            scopes=scopes,
            token_id=ids.new_id("jti"),
            issue_time=utc_now(),
            ttl=ttl,
        )
