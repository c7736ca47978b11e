"""What `authsvc dev` prints to paste next. Every line works as it is printed."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from authsvc.cli.local_database import ADMIN_KEY_FILE, DATABASE_URL_FILE

_SERVICE: Final = "orchestrator.auth.v1.AuthService"
_JWKS_PATH: Final = "/.well-known/jwks.json"


def guide(
    address: str, data_dir: Path, account_id: str, *, programs: Path, http_address: str = ""
) -> str:
    """Return the guide.

    Args:
        address: Where the server listens.
        data_dir: The data directory, as the person gave it.
        account_id: An account to make keys in.
        programs: Where PostgreSQL's own programs are.
        http_address: Where it serves HTTP; empty when that is switched off.
    """
    admin_key = shlex.quote(str(data_dir / ADMIN_KEY_FILE))
    database_url = shlex.quote(str(data_dir / DATABASE_URL_FILE))
    create = f'{{"account_id": "{account_id}", "name": "first key"}}'
    grpcurl = f'grpcurl -plaintext -H "$AUTH" -d @ {address} {_SERVICE}'
    buf = _program("buf")
    buf_curl = (
        f'{buf} curl --http2-prior-knowledge --protocol grpc -H "$AUTH" -d @- '
        f"http://{address}/{_SERVICE}"
    )
    key = f"{_program('authsvc')} key"
    options = f"--address {address} --plaintext --api-key-file {admin_key}"
    return "\n".join(
        [
            "",
            f"authsvc serves on {address}. Ctrl-C stops it; the data stays in {data_dir}.",
            "In another terminal, in the same directory:",
            "",
            f'AUTH="authorization: Bearer $(cat {admin_key})"',
            "",
            "With grpcurl: list the services; create, validate and revoke a key; validate again.",
            "",
            f"grpcurl -plaintext {address} list",
            *_life_of_a_key(create, grpcurl),
            "",
            "The same with buf:",
            "",
            f"{buf} curl --http2-prior-knowledge --protocol grpc --list-methods http://{address}",
            *_life_of_a_key(create, buf_curl),
            "",
            "The same with the command line, which asks for the credential and hides it:",
            "",
            f'{key} create "first key" --account {account_id} {options}',
            f"{key} validate {options}",
            f"{key} revoke --secret {options}",
            "",
            *_public_keys(http_address),
            f'The database itself: {_psql(programs)} "$(cat {database_url})"',
            "",
        ]
    )


def _life_of_a_key(create: str, call: str) -> list[str]:
    """Return the lines that take a key from its creation to its denial.

    The secret goes by way of a shell variable and standard input, so it is neither in the
    shell's history nor in the list of processes.
    """
    validate = f'echo "{{\\"credential\\": \\"Bearer $KEY\\"}}" | {call}/ValidateCredential'
    return [
        f"CREATED=$(echo '{create}' | {call}/CreateKey); echo \"$CREATED\"",
        """KEY=$(echo "$CREATED" | sed -n 's/.*"secret": *"\\(orch_[0-9a-f]*\\)".*/\\1/p')""",
        validate,
        f'echo "{{\\"secret\\": \\"$KEY\\"}}" | {call}/RevokeKey',
        validate,
    ]


def _public_keys(http_address: str) -> list[str]:
    """Return how to see the keys that access tokens are verified with."""
    if not http_address:
        return []
    return [f"The public keys of access tokens: curl http://{http_address}{_JWKS_PATH}"]


def _psql(programs: Path) -> str:
    """Return how to call psql: the person's own, else the one that comes with the server."""
    return "psql" if shutil.which("psql") else shlex.quote(str(programs / "psql"))


def _program(name: str) -> str:
    """Return how to call a program: by its name, or by the path of its virtual environment."""
    beside = Path(sys.executable).parent / name
    if shutil.which(name) or not beside.exists():
        return name
    path = beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside
    return shlex.quote(str(path))
