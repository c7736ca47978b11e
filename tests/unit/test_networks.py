"""Which addresses stand for one party."""

from __future__ import annotations

import pytest

from authsvc.domain.networks import find_network, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::/64"),
        ("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_stands_for_itself_or_for_its_site(address: str, network: str) -> None:
    assert find_network(address) == network
    assert network_of(address) == network


@pytest.mark.parametrize("text", ["", "no address", "192.0.2.256"])
def test_what_is_no_address_has_no_network(text: str) -> None:
    assert find_network(text) == ""
    with pytest.raises(ValueError, match="not an IP address"):
        network_of(text)
