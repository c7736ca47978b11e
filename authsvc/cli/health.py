"""`authsvc health`: asks a server whether it serves, for health checks without a shell or curl."""

from __future__ import annotations

from typing import Annotated

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authsvc.cli.connection import (
    DEFAULT_ADDRESS,
    TIMEOUT_SECONDS,
    AddressOption,
    CertificatesOption,
    PlaintextOption,
    read_certificates,
    require_tls,
)
from authsvc.cli.failures import Failure


def health(
    *,
    service: Annotated[
        str, typer.Option(help="A service's full name. Default: the server as a whole.")
    ] = "",
    address: AddressOption = DEFAULT_ADDRESS,
    plaintext: PlaintextOption = False,
    ca_file: CertificatesOption = None,
    server_name: Annotated[
        str,
        typer.Option(help="The name in the server's certificate, where the address is another."),
    ] = "",
) -> None:
    """Ask a server whether it serves (grpc.health.v1): exit code 0 when it does, else 1.

    It needs no key.
    """
    root_certificates = read_certificates(ca_file, plaintext=plaintext)
    if server_name:
        require_tls("--server-name", plaintext=plaintext)
    if plaintext:
        opened = grpc.insecure_channel(address)
    else:
        opened = _secure_channel(address, root_certificates, server_name)
    with opened as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_SECONDS
            )
        except grpc.RpcError as error:
            raise Failure(_why(error.code(), address, service)) from None
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise Failure(f"{address} says {status}")
    typer.echo(f"{address} says {status}")


def _secure_channel(
    address: str, root_certificates: bytes | None, server_name: str
) -> grpc.Channel:
    options = [("grpc.ssl_target_name_override", server_name)] if server_name else []
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(root_certificates), options)


def _why(code: grpc.StatusCode, address: str, service: str) -> str:
    if code is grpc.StatusCode.NOT_FOUND:
        return f"{address} has no service named {service!r}; `grpcurl list` shows those it has"
    if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return (
            f"{address} does not answer. Is it the right --address, and does it have TLS "
            "(--ca-file, --server-name) or none (--plaintext)?"
        )
    return f"{address} answers {code.name} when asked for its health"
