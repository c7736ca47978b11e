"""Whom a client certificate stands for: its names, the rules about them, and its end."""

from __future__ import annotations

from datetime import timedelta

import pytest
import trustme

from authsvc.domain.client_certificates import (
    MAX_NAME_LENGTH,
    CertificateRule,
    ClientCertificate,
    DnsRule,
    UriRule,
    find_principal,
    is_dns_name,
    is_uri_pattern,
)
from authsvc.domain.errors import CallerCertificateNotMapped
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.rpc.peer_certificates import read_certificate
from authsvc.usecases.authenticate_certificate import AuthenticateCertificate
from tests.support_certificates import GATEWAY, issue_client
from tests.unit.examples import NOW

VALIDATE, ADMIN = frozenset({"authsvc:validate"}), frozenset({"authsvc:admin"})


def a_certificate(*uris: str, dns: tuple[str, ...] = ()) -> ClientCertificate:
    return ClientCertificate(uris, dns, NOW + timedelta(days=1))


def test_a_certificate_stands_for_a_system_caller_of_no_account() -> None:
    certificate = a_certificate(GATEWAY)

    assert find_principal(certificate, [UriRule(GATEWAY, VALIDATE)]) == Principal(
        kind=PrincipalKind.CERTIFICATE,
        account_id="",
        scopes=VALIDATE,
        is_system=True,
        expire_time=certificate.expire_time,
        certificate_name=GATEWAY,
    )


@pytest.mark.parametrize(
    ("pattern", "uri", "matches"),
    [
        (GATEWAY, GATEWAY, True),
        (GATEWAY, f"{GATEWAY}/", False),
        (GATEWAY, f"{GATEWAY}/x", False),
        (GATEWAY, GATEWAY.upper(), False),
        ("urn:example:job", "urn:example:job", True),
        ("urn:example:job", "urn:example:jobs", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/jobs", True),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/jobs/a", True),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/nsx/a", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/../admin", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/a/./b", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/a//b", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/%2e%2e/admin", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/a?b", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/a\x00", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/a\n", False),
        ("spiffe://example.org/ns/*", "spiffe://example.org/ns/" + "a" * MAX_NAME_LENGTH, False),
        ("spiffe://example.org/*", "spiffe://example.org/ns/jobs", True),
        ("spiffe://example.org/*", "spiffe://example.org.evil.example/ns", False),
        ("spiffe://example.org/*", "spiffe://example.org", False),
    ],
)
def test_a_uri_matches_as_it_is_written_or_below_a_path(
    pattern: str, uri: str, *, matches: bool
) -> None:
    found = UriRule(pattern, VALIDATE).find_name(a_certificate(uri))

    assert found == (uri if matches else None)


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("gateway.example.org", True),
        ("Gateway.Example.ORG", True),
        ("*.example.org", False),
        ("a.gateway.example.org", False),
        ("gateway.example.org.", False),
        ("gateway.example.org\x00", False),
    ],
)
def test_a_dns_name_matches_whole_and_in_any_case(name: str, *, matches: bool) -> None:
    found = DnsRule("gateway.example.org", VALIDATE).find_name(a_certificate(dns=(name,)))

    assert found == ("gateway.example.org" if matches else None)


def test_a_name_is_good_in_its_own_kind_only() -> None:
    certificate = a_certificate("urn:gateway", dns=(GATEWAY,))

    assert find_principal(certificate, [UriRule(GATEWAY, ADMIN)]) is None
    assert find_principal(certificate, [DnsRule("urn:gateway", ADMIN)]) is None


def test_the_first_rule_about_a_certificate_counts() -> None:
    certificate = a_certificate(GATEWAY, dns=("gateway.example.org",))
    rules: list[CertificateRule] = [
        UriRule("spiffe://example.org/ns/jobs/*", ADMIN),
        DnsRule("gateway.example.org", VALIDATE),
        UriRule(GATEWAY, ADMIN),
    ]

    found = find_principal(certificate, rules)

    assert found is not None
    assert (found.certificate_name, found.scopes) == ("gateway.example.org", VALIDATE)


def test_a_spiffe_id_beside_another_uri_does_not_count() -> None:
    certificate = a_certificate(GATEWAY, "urn:example:job")

    assert find_principal(certificate, [UriRule(GATEWAY, ADMIN)]) is None
    assert find_principal(certificate, [UriRule("urn:example:job", VALIDATE)]) is not None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (GATEWAY, True),
        ("spiffe://example.org", True),
        ("spiffe://example.org/*", True),
        ("spiffe://example.org/ns/*", True),
        ("spiffe://*", False),
        ("spiffe://*/ns", False),
        ("spiffe://example.org/*/gateway", False),
        ("spiffe://example.org/ns*", False),
        ("spiffe://example.org/../x", False),
        ("spiffe://Example.org/x", False),
        ("spiffe:///x", False),
        ("https://example.org/gateway?x=1", True),
        ("https://example.org/*", False),
        ("*", False),
        ("/*", False),
        ("gateway", False),
        ("", False),
        ("urn:" + "a" * MAX_NAME_LENGTH, False),
    ],
)
def test_a_rule_is_about_a_uri_or_all_below_a_path_of_a_spiffe_id(
    text: str, *, is_one: bool
) -> None:
    assert is_uri_pattern(text) is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("gateway", True),
        ("gateway-1.example.org", True),
        ("Gateway.example.org", False),
        ("*.example.org", False),
        ("example.org.", False),
        ("key_01h2xcejqtf2nbrexx3vqjhp41", False),
        ("-a", False),
        ("", False),
    ],
)
def test_a_rule_is_about_a_whole_dns_name(text: str, *, is_one: bool) -> None:
    assert is_dns_name(text) is is_one


def test_a_certificate_is_good_for_as_long_as_a_connection_outlives_it() -> None:
    now = NOW
    life = timedelta(minutes=31)
    certificate = ClientCertificate((GATEWAY,), (), NOW)
    authenticate = AuthenticateCertificate(
        [UriRule(GATEWAY, VALIDATE)], connection_life=life, clock=lambda: now
    )

    now = NOW + life
    caller = authenticate(certificate)
    now += timedelta(seconds=1)

    assert caller is not None
    assert authenticate(certificate) is None


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("urn:a", "b.example.org"), "no rule for urn:a, b.example.org"),
        ((), "it has no name"),
        (tuple("abcdefg"), "no rule for a, b, c, d, e"),
        (("x" * 9999,), "no rule for " + "x" * 200),
    ],
)
def test_what_is_not_mapped_is_told_within_bounds(names: tuple[str, ...], text: str) -> None:
    assert str(CallerCertificateNotMapped(names)) == text


def test_the_alternative_names_are_read_and_nothing_else() -> None:
    authority = trustme.CA()
    full = issue_client(authority, uris=[GATEWAY], dns_names=["a.example"], common_name="b.example")
    bare = issue_client(authority, common_name="b.example")

    assert read_certificate(full.certificate).names == (GATEWAY, "a.example")
    assert read_certificate(bare.certificate).names == ()
