"""Which addresses stand for one party."""

from __future__ import annotations

import functools
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from authsvc.domain.address_rules import parse_address

_IPV6_SITE_BITS: Final = 64


@functools.lru_cache(maxsize=4096)
def find_network(address: str) -> str:
    """Return what an address is counted under; empty for a text that is no address.

    An IPv4 address stands for itself, an IPv6 address for the /64 that one site has to itself: its
    hosts change their addresses within it every day (RFC 8981).

    Args:
        address: A text, a few dozen characters long at most.
    """
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), _IPV6_SITE_BITS), strict=False))
    return "" if parsed is None else str(parsed)


def network_of(address: str) -> str:
    """Return what shares a count: an IPv4 address, or the /64 of an IPv6 address.

    Args:
        address: An IP address in text form.

    Raises:
        ValueError: It is none.
    """
    network = find_network(address)
    if not network:
        msg = "not an IP address"
        raise ValueError(msg)
    return network
