"""Client certificates as credentials of callers: whom one stands for, by its names.

The names of a certificate are its subject alternative names; the common name is none
(RFC 9525 section 2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from authsvc.domain.principals import Principal, PrincipalKind

MAX_NAME_LENGTH: Final = 200
"""The longest name that stands for a caller: as long as the audit log can be asked for."""

_SPIFFE: Final = "spiffe://"
_ANY_BELOW: Final = "/*"
# SPIFFE-ID sections 2.1 and 2.2: nothing is escaped, and no segment leads upwards.
_SPIFFE_ID: Final = re.compile(r"spiffe://[a-z0-9._-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)*")
_DNS_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What counts of a certificate whose signature, authority and time are checked already."""

    uris: tuple[str, ...]
    dns_names: tuple[str, ...]
    expire_time: datetime

    @property
    def names(self) -> tuple[str, ...]:
        """All its names, those that count most first."""
        return *self.uris, *self.dns_names


@dataclass(frozen=True, slots=True)
class UriRule:
    """Certificates with a URI, such as a SPIFFE id; one that ends in `/*` is all below a path."""

    uri: str
    scopes: frozenset[str]

    def find_name(self, certificate: ClientCertificate) -> str | None:
        """Return the certificate's name that the rule is about; None when it has none."""
        return next(filter(self._matches, _usable_uris(certificate)), None)

    def _matches(self, uri: str) -> bool:
        if not self.uri.endswith(_ANY_BELOW):
            return uri == self.uri
        return uri.startswith(self.uri.removesuffix("*")) and _is_spiffe_id(uri)


@dataclass(frozen=True, slots=True)
class DnsRule:
    """Certificates with a DNS name."""

    dns_name: str
    scopes: frozenset[str]

    def find_name(self, certificate: ClientCertificate) -> str | None:
        """Return the certificate's name that the rule is about; None when it has none."""
        names = (name.lower() for name in certificate.dns_names)
        return self.dns_name if self.dns_name in names else None


CertificateRule = UriRule | DnsRule


def find_principal(
    certificate: ClientCertificate, rules: Sequence[CertificateRule]
) -> Principal | None:
    """Return whom a certificate stands for by the first rule that is about it, or None.

    It is a system caller of no account: what it may do is settled by who configures the service.
    """
    for rule in rules:
        name = rule.find_name(certificate)
        if name is not None:
            return Principal(
                kind=PrincipalKind.CERTIFICATE,
                account_id="",
                scopes=rule.scopes,
                is_system=True,
                expire_time=certificate.expire_time,
                certificate_name=name,
            )
    return None


def is_uri_pattern(text: str) -> bool:
    """Tell whether a rule can be about `text`: a URI, or a SPIFFE id whose path ends in `/*`."""
    if len(text) > MAX_NAME_LENGTH:
        return False
    if text.startswith(_SPIFFE):
        return _is_spiffe_id(text.removesuffix(_ANY_BELOW))
    return _URI.fullmatch(text) is not None and "*" not in text


def is_dns_name(text: str) -> bool:
    """Tell whether a rule can be about `text`: a DNS name in lower case, without wildcards."""
    return len(text) <= MAX_NAME_LENGTH and _DNS_NAME.fullmatch(text) is not None


def _is_spiffe_id(text: str) -> bool:
    return len(text) <= MAX_NAME_LENGTH and _SPIFFE_ID.fullmatch(text) is not None


def _usable_uris(certificate: ClientCertificate) -> tuple[str, ...]:
    """Return the URIs, without SPIFFE ids where there are others, too (X509-SVID section 2)."""
    if len(certificate.uris) == 1:
        return certificate.uris
    return tuple(uri for uri in certificate.uris if not uri.startswith(_SPIFFE))
