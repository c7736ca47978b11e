"""The options by which a command reaches a server, and the client that they make."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final

import typer

from authsvc.cli.failures import Failure
from authsvc.domain.key_secrets import PREFIX as KEY_PREFIX
from authsvc.settings.files import read_secret_files
from orchestrator.auth import ANONYMOUS, AuthClient

AddressOption = Annotated[
    str, typer.Option("--address", envvar="AUTHSVC_ADDRESS", help="The server, as host:port.")
]
PlaintextOption = Annotated[
    bool,
    typer.Option(
        "--plaintext", envvar="AUTHSVC_PLAINTEXT", help="The server has no TLS, as `authsvc dev`."
    ),
]
CertificatesOption = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        help="The certificates (PEM) to trust. Default: gRPC's own list of authorities.",
    ),
]
ApiKeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        help="A file with the caller's key, such as .authsvc/admin.key. "
        "Without it: the environment variable AUTHSVC_API_KEY, or the file that "
        "AUTHSVC_API_KEY_FILE names.",
    ),
]
ClientCertificateFileOption = Annotated[
    Path | None,
    typer.Option(
        "--client-certificate-file",
        envvar="AUTHSVC_CLIENT_CERTIFICATE_FILE",
        help="A certificate (PEM, with its chain) that proves who calls, to a port that asks for "
        "it. No key is needed then; one that is given counts instead.",
    ),
]
ClientKeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--client-key-file",
        envvar="AUTHSVC_CLIENT_KEY_FILE",
        help="The private key (PEM) of that certificate.",
    ),
]
DEFAULT_ADDRESS: Final = "127.0.0.1:50051"
TIMEOUT_SECONDS: Final = 5.0
_API_KEY: Final = "AUTHSVC_API_KEY"


@dataclass(frozen=True, slots=True)
class Connection:
    """How a command reaches a server, and proves who calls: as its options say."""

    address: str
    plaintext: bool
    api_key_file: Path | None
    ca_file: Path | None
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None

    def open_client(self, *, key_refusal: str | None = None) -> AuthClient:
        """Make a client from the options.

        Args:
            key_refusal: What to say to a caller with an API key, where only a user's access token
                makes sense; None where either does.

        Raises:
            Failure: There is no key, it is refused, or an option makes no sense with another one.
            OSError: A file cannot be read.
            ConfigurationError: An option's value cannot work.
        """
        root_certificates = read_certificates(self.ca_file, plaintext=self.plaintext)
        certificate, key = self._read_pair()
        api_key = _read_api_key(self.api_key_file, is_needed=certificate is None)
        if key_refusal is not None and (not api_key or api_key.startswith(KEY_PREFIX)):
            raise Failure(key_refusal)
        return AuthClient(
            self.address,
            api_key=api_key or ANONYMOUS,
            plaintext=self.plaintext,
            root_certificates=root_certificates,
            client_certificate=certificate,
            client_key=key,
            timeout=TIMEOUT_SECONDS,
        )

    def _read_pair(self) -> tuple[bytes | None, bytes | None]:
        certificate, key = self.client_certificate_file, self.client_key_file
        if certificate is None and key is None:
            return None, None
        if certificate is None or key is None:
            raise Failure("--client-certificate-file and --client-key-file go together: give both")
        require_tls("--client-certificate-file", plaintext=self.plaintext)
        return certificate.read_bytes(), key.read_bytes()


def with_connection(command: Callable[Concatenate[Connection, ...], None]) -> Callable[..., None]:
    """Put the options of a connection behind a command's own, and give it the connection first.

        @app.command("get")
        @with_connection
        def get(connection: Connection, key_id: KeyArgument) -> None:
            with connection.open_client() as client:
                ...

    The command opens the client itself: wrong usage is told before a missing key is.
    """
    own = inspect.signature(command, eval_str=True)
    options = inspect.signature(_connection, eval_str=True).parameters

    @wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - what the signature below says
        connection = _connection(**{name: given.pop(name) for name in options})
        command(connection, **given)

    _, *parameters = own.parameters.values()
    # typer makes the options of it.
    vars(run)["__signature__"] = own.replace(parameters=[*parameters, *options.values()])
    return run


def _connection(
    *,
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    api_key_file: ApiKeyFileOption = None,
    ca_file: CertificatesOption = None,
    client_certificate_file: ClientCertificateFileOption = None,
    client_key_file: ClientKeyFileOption = None,
) -> Connection:
    return Connection(
        address, plaintext, api_key_file, ca_file, client_certificate_file, client_key_file
    )


def open_anonymous_client(
    address: str, certificates: Path | None, *, plaintext: bool
) -> AuthClient:
    """Make a client without a key from the options, for what needs none.

    Raises:
        Failure: An option makes no sense with another one.
        OSError: A file cannot be read.
        ConfigurationError: An option's value cannot work.
    """
    return AuthClient(
        address,
        api_key=ANONYMOUS,
        plaintext=plaintext,
        root_certificates=read_certificates(certificates, plaintext=plaintext),
        timeout=TIMEOUT_SECONDS,
    )


def read_certificates(file: Path | None, *, plaintext: bool) -> bytes | None:
    """Return the certificates to trust, or None for gRPC's own list.

    Raises:
        Failure: There is a file, and the server has no TLS.
        OSError: The file cannot be read.
    """
    if file is None:
        return None
    require_tls("--ca-file", plaintext=plaintext)
    return file.read_bytes()


def require_tls(option: str, *, plaintext: bool) -> None:
    """Let an option pass that says something about TLS, unless the server has none.

    Raises:
        Failure: It has none.
    """
    if plaintext:
        raise Failure(f"{option} is for TLS, which --plaintext (AUTHSVC_PLAINTEXT) switches off")


def _read_api_key(file: Path | None, *, is_needed: bool) -> str:
    if file is None:
        read, unread = read_secret_files([_API_KEY], os.environ)
        if unread:
            raise Failure(unread[_API_KEY])
        api_key = read.get(_API_KEY) or os.environ.get(_API_KEY, "")
        if is_needed and not api_key:
            raise Failure(
                "the server must know who asks: give the caller's key with --api-key-file (of "
                "`authsvc dev`: .authsvc/admin.key) or in AUTHSVC_API_KEY, or a client certificate "
                "with --client-certificate-file"
            )
        return api_key
    try:
        api_key = file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        api_key = ""
    if not api_key:
        raise Failure(f"{file} should hold an API key, and nothing else")
    return api_key
