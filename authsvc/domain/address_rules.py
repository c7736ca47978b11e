"""From where a key may be used: IP addresses and networks in CIDR notation (RFC 4632, RFC 4291).

An IPv4-mapped IPv6 address is the IPv4 address that it carries, in rules and in clients alike: a
server that listens on both families sees IPv4 clients so.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

MAX_RULES: Final = 100
"""The most rules of one key."""

_MAX_TEXT: Final = 100
"""An address has at most 45 characters; the rest is for a zone or a prefix length."""
_IPV4_ADDRESSES: Final = 2**32
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_MAPPED_PREFIX: Final = int(_MAPPED.network_address) >> 32
_PREFIX_LENGTH: Final = re.compile(r"0|[1-9][0-9]{0,2}")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class MalformedRule(ValueError):
    """A text is no rule. Its own text says what is asked for, and repeats none of the other."""


class AddressRules:
    """The addresses that a key may be used from, ready for matching."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Take the first and last numbers of networks; without any, no address is allowed."""
        starts: list[int] = []
        ends: list[int] = []
        for start, end in sorted(ranges):
            # Those that overlap or touch become one, so that `allow_all_of` has to look at one.
            if ends and start <= ends[-1] + 1:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(start)
                ends.append(end)
        self._starts, self._ends = tuple(starts), tuple(ends)

    def allow(self, address: str) -> bool:
        """Tell whether a client's address is among them; one that is not known never is."""
        parsed = parse_address(address) if address else None
        if parsed is None:
            return False
        number = _number(parsed)
        return self._cover(number, number)

    def allow_all_of(self, other: AddressRules) -> bool:
        """Tell whether they allow every address that other rules allow."""
        return all(map(self._cover, other._starts, other._ends))

    def _cover(self, start: int, end: int) -> bool:
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and end <= self._ends[index]


def parse_address(text: str) -> Address | None:
    """Read the address of a client; None when the text is none.

    Args:
        text: An IP address without a port. An IPv6 zone (RFC 4007) is ignored: it means something
            on the host that saw the address, and nowhere else.
    """
    # Before the cache, which would keep the text whole.
    return _parsed(text) if len(text) <= _MAX_TEXT else None


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def parse_rule(text: str) -> Network:
    """Read a rule: an address, or a network given by its first address.

    Unlike a client's address it has no zone: a rule that drops one would allow more than it says.

    Raises:
        MalformedRule: It is neither.
    """
    host_text, slash, length_text = text.partition("/")
    try:
        # Before the parser, which looks at a text however long it is.
        is_unfit = "%" in host_text or len(host_text) > _MAX_TEXT
        host = ipaddress.ip_address("" if is_unfit else host_text)
    except ValueError:
        host = None
    if host is None or (slash and _PREFIX_LENGTH.fullmatch(length_text) is None):
        raise MalformedRule("is an IP address or network, like 192.0.2.7 or 2001:db8::/32")
    length = int(length_text) if slash else host.max_prefixlen
    if length > host.max_prefixlen:
        raise MalformedRule(f"has a prefix length of at most {host.max_prefixlen}")
    network = ipaddress.ip_network((host, length), strict=False)
    rule = _without_mapping(network)
    if network.network_address != host:
        raise MalformedRule(f"begins with the first address of its network: {rule_text(rule)}")
    return rule


def rule_text(network: Network) -> str:
    """Return the canonical text of a rule; that of a single address has no prefix length."""
    is_single = network.prefixlen == network.max_prefixlen
    return str(network.network_address if is_single else network)


def normalised(rules: Iterable[str]) -> tuple[str, ...]:
    """Return rules in canonical text, each once, IPv4 first, then by number.

    Raises:
        MalformedRule: One of them is none.
    """
    networks = sorted({parse_rule(rule) for rule in rules}, key=lambda n: (n.version, n))
    return tuple(map(rule_text, networks))


@functools.lru_cache(maxsize=1024)
def address_rules(rules: tuple[str, ...]) -> AddressRules | None:
    """Make rules ready for matching; None where there are none, and any address will do.

    What many keys have alike they share. A text that is no rule, should one ever get into the
    database, allows no address.
    """
    return AddressRules(_ranges(rules)) if rules else None


def _ranges(rules: Iterable[str]) -> Iterable[tuple[int, int]]:
    for rule in rules:
        try:
            # A batch may bring a thousand keys with a hundred rules each, while all else waits.
            yield _quick_range(rule) or _range(parse_rule(rule))
        except MalformedRule:
            continue


def _quick_range(rule: str) -> tuple[int, int] | None:
    """Read a rule as `parse_rule` does, in a fifth of the time; None: it may be none."""
    host, slash, length = rule.partition("/")
    is_ipv6 = ":" in host
    family, bits = (socket.AF_INET6, 128) if is_ipv6 else (socket.AF_INET, 32)
    try:
        start = int.from_bytes(socket.inet_pton(family, host))
        size = 1 << (bits - int(length)) if slash else 1
    except (OSError, ValueError):
        return None
    is_mapped = is_ipv6 and start >> 32 == _MAPPED_PREFIX
    if start % size or is_mapped or (slash and _PREFIX_LENGTH.fullmatch(length) is None):
        return None
    start -= 0 if is_ipv6 else _IPV4_ADDRESSES
    return start, start + size - 1


def _without_mapping(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        address = int(network.network_address) % _IPV4_ADDRESSES
        return IPv4Network((address, network.prefixlen - _MAPPED.prefixlen))
    return network


def _range(network: Network) -> tuple[int, int]:
    return _number(network.network_address), _number(network.broadcast_address)


def _number(address: Address) -> int:
    """Return the place of an address on one line for both families: IPv4 lies below zero."""
    return int(address) - (_IPV4_ADDRESSES if isinstance(address, IPv4Address) else 0)
