"""The addresses that are listened on: taken alone, or shared by the workers of one service."""

from __future__ import annotations

import socket
from typing import NamedTuple

from authsvc.domain.errors import AuthsvcError


class Addresses(NamedTuple):
    """Where a server listens."""

    grpc: str
    http: str
    """Empty when HTTP is switched off."""
    mtls: str = ""
    """For clients with a certificate; empty when there is no such port."""

    def logged(self) -> dict[str, str | None]:
        """Return them as the log has them."""
        return {
            "address": self.grpc,
            "http_address": self.http or None,
            "mtls_address": self.mtls or None,
        }


class AddressInUse(AuthsvcError):
    """The address cannot be listened on."""

    def __init__(self, address: str, setting: str = "") -> None:
        """Carry the address, and the setting that it comes from where that is not plain."""
        self.address = address
        self.setting = setting
        choice = f"choose another one with {setting}" if setting else "choose another one"
        super().__init__(
            f"cannot listen on {address}: the port is in use, or the address is not this "
            f"machine's; stop what uses it, or {choice}"
        )


def bind(address: str, *, setting: str = "", shares_port: bool) -> tuple[socket.socket, str]:
    """Take a port, without listening on it yet.

    Args:
        address: `host:port`; port 0 takes a free one.
        setting: What an error names as the place to change it.
        shares_port: Whether other processes of this service have the same port.

    Returns:
        A socket that holds the port, and the address with its actual port.

    Raises:
        AddressInUse: Somebody else has it.
    """
    host, _, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    option = socket.SO_REUSEPORT if shares_port else socket.SO_REUSEADDR
    try:
        family, kind, protocol, _, name = socket.getaddrinfo(
            bare, int(port), type=socket.SOCK_STREAM
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
            bound.bind(name)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise AddressInUse(address, setting) from error
    return bound, f"{host}:{bound.getsockname()[1]}"


def reserve(address: str, *, setting: str = "") -> tuple[socket.socket, str]:
    """Take a port for the workers to share.

    Args:
        address: `host:port`; port 0 takes a free one.
        setting: What an error names as the place to change it.

    Returns:
        A socket that holds the port without listening, and the address with its actual port.

    Raises:
        AddressInUse: Somebody else has it.
    """
    # Alone first: with SO_REUSEPORT, a port that another service shares would be shared too.
    alone, actual = bind(address, setting=setting, shares_port=False)
    alone.close()
    return bind(actual, setting=setting, shares_port=True)
