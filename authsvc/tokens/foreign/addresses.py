"""Which addresses may be asked for keys: public ones, and this machine's where that is allowed.

A name is resolved once, every address of it is checked, and the connection goes to an address
that was checked. So no name can be turned to the inside between the check and the connection.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final, TypeAlias

from authsvc.tokens.foreign.failures import KeysNotFetched

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Translators turn these into the IPv4 address in their last 32 bits (RFC 6052 section 2.1).
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_BITS: Final = 0xFFFF_FFFF


async def resolve(host: str, port: int, *, allow_loopback: bool) -> list[str]:
    """Return the addresses of a host, none of which leads to the inside.

    Args:
        host: A name or an address, without brackets.
        port: Where the connection will go.
        allow_loopback: Whether it may, and then must, be on this machine.

    Raises:
        KeysNotFetched: It has no address, or one that may not be asked.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise KeysNotFetched("the name of the host has no address") from error
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    if not addresses or not all(is_allowed(one, allow_loopback) for one in addresses):
        raise KeysNotFetched("the host has an address that may not be asked")
    return addresses


def is_allowed(text: str, allow_loopback: bool) -> bool:  # noqa: FBT001 - one address, one rule
    """Tell whether an address may be asked.

    Args:
        text: An IP address; one with a zone is of a link, and never allowed.
        allow_loopback: Whether this machine is asked, instead of public addresses.
    """
    try:
        address = _innermost(ipaddress.ip_address(text))
    except ValueError:
        return False
    if allow_loopback:
        return address.is_loopback
    return address.is_global and not address.is_multicast


def _innermost(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.scope_id is not None:
        raise ValueError("an address of a link")
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & _IPV4_BITS)
    return address.ipv4_mapped or address.sixtofour or address
