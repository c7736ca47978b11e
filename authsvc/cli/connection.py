"""The options by which a command reaches a server, and the client that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from authsvc.cli.failures import Failure
from orchestrator.auth import AuthClient

AddressOption = Annotated[
    str, typer.Option("--address", envvar="AUTHSVC_ADDRESS", help="The server, as host:port.")
]
PlaintextOption = Annotated[
    bool,
    typer.Option(
        "--plaintext", envvar="AUTHSVC_PLAINTEXT", help="The server has no TLS, like authsvc dev."
    ),
]
CertificatesOption = Annotated[
    Path | None,
    typer.Option("--ca-file", help="Certificates (PEM) to trust instead of the system's."),
]
ApiKeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        help="A file with the caller's key, such as .authsvc/admin.key. "
        "Without it: the environment variable AUTHSVC_API_KEY.",
    ),
]
DEFAULT_ADDRESS = "127.0.0.1:50051"


def open_client(
    address: str, api_key_file: Path | None, certificates: Path | None, *, plaintext: bool
) -> AuthClient:
    """Make a client from the options.

    Raises:
        Failure: The key's file is empty.
        OSError: A file cannot be read.
        ConfigurationError: There is no key.
    """
    api_key = None
    if api_key_file is not None:
        api_key = api_key_file.read_text(encoding="utf-8").strip()
        if not api_key:
            raise Failure(f"{api_key_file} is empty; it should hold an API key")
    return AuthClient(
        address,
        api_key=api_key,
        plaintext=plaintext,
        root_certificates=None if certificates is None else certificates.read_bytes(),
        timeout=5.0,
    )
