"""The addresses that a key may be used from: their one text, and which clients they allow."""

from __future__ import annotations

import contextlib
import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.address_rules import (
    AddressRules,
    MalformedRule,
    address_rules,
    normalised,
    parse_address,
    parse_rule,
)

Address = IPv4Address | IPv6Address

# Few bits vary, so that networks and addresses meet often.
some_ipv4 = st.integers(0, 255).map(lambda low: IPv4Address((192 << 24) + low))
some_ipv6 = st.integers(0, 255).map(lambda low: IPv6Address((0x20010DB8 << 96) + low))
addresses = st.one_of(some_ipv4, some_ipv6, st.ip_addresses())


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Draw a rule in some form that is allowed."""
    address = draw(addresses)
    if draw(st.booleans()):
        return str(address)
    bits = address.max_prefixlen
    length = draw(st.one_of(st.integers(bits - 9, bits), st.integers(0, bits)))
    network = ipaddress.ip_network((address, length), strict=False)
    text = draw(st.sampled_from([str(network), network.exploded, network.exploded.upper()]))
    if network.version == 4 and draw(st.booleans()):
        return f"::ffff:{network.network_address}/{network.prefixlen + 96}"
    return text


def unmapped(address: Address) -> Address:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def made(*texts: str) -> AddressRules:
    found = address_rules(texts)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("2001:0db8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("::FFFF:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:192.0.2.7/128", "192.0.2.7"),
        ("::192.0.2.7", "::c000:207"),
    ],
)
def test_a_rule_has_one_text(rule: str, text: str) -> None:
    assert normalised([rule]) == (text,)


def test_rules_are_kept_once_ipv4_first_and_by_number() -> None:
    given = ["2001:db8::/32", "192.0.2.10", "::ffff:192.0.2.9", "192.0.2.0/24", "192.0.2.9/32"]

    assert normalised([*given, "::1"]) == (
        "192.0.2.0/24",
        "192.0.2.9",
        "192.0.2.10",
        "::1",
        "2001:db8::/32",
    )


@pytest.mark.parametrize(
    "rule",
    [
        "", " ", "localhost", "192.0.2", "192.0.2.256", "192.0.2.07", "192.0.2.7 ", " 192.0.2.7",
        "192.0.2.7:443", "[2001:db8::1]", "192.0.2.0/", "/24", "192.0.2.0/24/24", "192.0.2.0/024",
        "192.0.2.0/+24", "192.0.2.0/-1", "192.0.2.0/ 24", "192.0.2.0/255.255.255.0",
        "192.0.2.0/0.0.0.255", "192.0.2.0/\u0662\u0664", "\u0661.0.0.1", "fe80::1%eth0",
        "fe80::%1/64", "2001:db8::/ffff::", "192.0.2.7\n", "*", "192.0.2.*", "192.0.2.1-9", "%",
    ],
)  # fmt: skip
def test_what_is_no_rule_is_told_what_one_is_like(rule: str) -> None:
    with pytest.raises(MalformedRule, match=r"^is an IP address or network, like "):
        parse_rule(rule)


@pytest.mark.parametrize(
    ("rule", "bits"), [("192.0.2.0/33", 32), ("192.0.2.0/999", 32), ("2001:db8::/129", 128)]
)
def test_a_prefix_that_is_too_long_is_told_its_bound(rule: str, bits: int) -> None:
    with pytest.raises(MalformedRule, match=f"^has a prefix length of at most {bits}$"):
        parse_rule(rule)


@pytest.mark.parametrize(
    ("rule", "network"),
    [
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("192.0.2.7/0", "0.0.0.0/0"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
        ("::ffff:0:0/90", "::ffc0:0:0/90"),
    ],
)
def test_host_bits_are_refused_with_the_network_that_they_are_in(rule: str, network: str) -> None:
    with pytest.raises(MalformedRule) as caught:
        parse_rule(rule)

    assert str(caught.value) == f"begins with the first address of its network: {network}"


@given(st.text(max_size=60))
def test_no_text_fails_otherwise(text: str) -> None:
    with contextlib.suppress(MalformedRule):
        parse_rule(text)
    parse_address(text)


@given(st.text(min_size=1, max_size=60).filter(lambda text: not text.isascii()))
def test_nothing_of_what_is_no_rule_is_repeated(text: str) -> None:
    with pytest.raises(MalformedRule, match=r"^is an IP address or network, like "):
        parse_rule(text)


@pytest.mark.parametrize("length", [101, 1_000_000])
def test_a_text_without_end_is_no_address(length: int) -> None:
    assert parse_address("fe80::1%" + "e" * (length - 8)) is None


@given(st.lists(rules(), max_size=8))
def test_normalised_rules_stay_as_they_are(given: list[str]) -> None:
    once = normalised(given)

    assert normalised(once) == once


@given(st.lists(rules(), max_size=8))
def test_the_order_in_which_rules_come_is_of_no_account(given: list[str]) -> None:
    assert normalised(reversed(given)) == normalised(given)


@given(st.lists(rules(), min_size=1, max_size=8), addresses)
def test_a_client_is_allowed_when_some_network_holds_its_address(
    given: list[str], client: Address
) -> None:
    networks = [ipaddress.ip_network(text) for text in normalised(given)]

    expected = any(unmapped(client) in network for network in networks)

    assert made(*given).allow(str(client)) is expected
    if isinstance(client, IPv4Address):
        assert made(*given).allow(f"::ffff:{client}") is expected
    else:
        assert made(*given).allow(f"{client}%eth0") is expected


@pytest.mark.parametrize(
    ("rule", "client", "is_allowed"),
    [
        ("192.0.2.0/24", "192.0.2.0", True),
        ("192.0.2.0/24", "192.0.2.255", True),
        ("192.0.2.0/24", "192.0.1.255", False),
        ("192.0.2.0/24", "192.0.3.0", False),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
        ("192.0.2.7", "::ffff:c000:207", True),
        ("192.0.2.7", "::192.0.2.7", False),
        ("::ffff:192.0.2.0/120", "192.0.2.7", True),
        ("0.0.0.0/0", "255.255.255.255", True),
        ("0.0.0.0/0", "::", False),
        ("::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", True),
        ("::/0", "0.0.0.0", False),
        ("::/0", "::ffff:192.0.2.7", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("fe80::1", "fe80::1%25", True),
        ("192.0.2.7", "", False),
        ("0.0.0.0/0", "", False),
        ("::/0", "nonsense", False),
    ],
)
def test_a_client_at_the_edge(rule: str, client: str, *, is_allowed: bool) -> None:
    assert made(rule).allow(client) is is_allowed


def test_without_rules_there_is_nothing_to_match() -> None:
    assert address_rules(()) is None


def test_what_many_keys_have_alike_is_shared() -> None:
    assert address_rules(("192.0.2.7", "::1")) is address_rules(("192.0.2.7", "::1"))


def test_a_rule_that_was_broken_in_the_database_allows_nothing() -> None:
    assert not made("192.0.2.7/24", "nonsense").allow("192.0.2.7")
    assert made("nonsense", "192.0.2.7").allow("192.0.2.7")


@given(st.lists(rules(), max_size=6), st.lists(rules(), max_size=6), addresses)
def test_rules_that_allow_all_of_others_allow_each_of_their_clients(
    some: list[str], others: list[str], client: Address
) -> None:
    wide, narrow = made("192.0.2.1", *some), made("192.0.2.1", *others)

    if wide.allow_all_of(narrow) and narrow.allow(str(client)):
        assert wide.allow(str(client))


@given(st.lists(rules(), min_size=1, max_size=6), st.lists(rules(), max_size=6))
def test_rules_allow_all_of_a_part_of_themselves(some: list[str], more: list[str]) -> None:
    assert made(*some, *more).allow_all_of(made(*some))


@pytest.mark.parametrize(
    ("wide", "narrow", "is_so"),
    [
        (["192.0.2.0/24"], ["192.0.2.0/25", "192.0.2.128/25"], True),
        (["192.0.2.0/25", "192.0.2.128/25"], ["192.0.2.0/24"], True),
        (["192.0.2.0/25", "192.0.2.129"], ["192.0.2.0/24"], False),
        (["192.0.2.0/24", "192.0.2.0/25"], ["192.0.2.200"], True),
        (["192.0.2.0/24"], ["192.0.2.7", "192.0.3.7"], False),
        (["::/0"], ["192.0.2.7"], False),
        (["0.0.0.0/0"], ["::1"], False),
        (["0.0.0.0/0", "::/0"], ["192.0.2.7", "::1"], True),
        (["0.0.0.0/0", "::/0"], ["255.255.255.255", "::", "255.255.255.0/24"], True),
    ],
)
def test_whether_rules_allow_all_of_others(
    wide: list[str], narrow: list[str], *, is_so: bool
) -> None:
    assert made(*wide).allow_all_of(made(*narrow)) is is_so


@given(st.lists(rules(), min_size=1, max_size=6), st.lists(rules(), min_size=1, max_size=6))
def test_rules_that_do_not_allow_all_of_others_lack_an_end_or_the_next_of_some_network(
    some: list[str], others: list[str]
) -> None:
    networks = [ipaddress.ip_network(text) for text in normalised([*some, *others])]
    edges = {edge for n in networks for edge in (n.network_address, n.broadcast_address)}
    last = {4: IPv4Address("255.255.255.255"), 6: IPv6Address("f" * 4 + ":ffff" * 7)}
    behind = {n.broadcast_address + 1 for n in networks if n.broadcast_address != last[n.version]}
    wide, narrow = made(*some), made(*others)

    lacking = [
        edge for edge in edges | behind if narrow.allow(str(edge)) and not wide.allow(str(edge))
    ]

    assert wide.allow_all_of(narrow) is not bool(lacking)
