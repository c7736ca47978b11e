"""Which addresses stand for one party."""

from __future__ import annotations

import ipaddress
from typing import Final

_IPV6_SITE_BITS: Final = 64


def network_of(address: str) -> str:
    """Return what shares a count: an IPv4 address, or the /64 that one IPv6 site has to itself.

    Args:
        address: An IP address in text form.
    """
    # The zone of a link-local address says nothing about its site.
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed), _IPV6_SITE_BITS), strict=False))
    return str(parsed)
