"""Every attack on access tokens that is tried, by name: one list for all who verify tokens.

Each attack differs from an accepted token in one thing; where it is not on the signature, the
signature is good. `python -m tests.unit.attack_table` prints the list as a document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from authsvc.domain.signing_keys import SigningAlgorithm
from tests.unit.forging import Issuer, b64, compact_json

ES256, RS256, EDDSA = SigningAlgorithm.ES256, SigningAlgorithm.RS256, SigningAlgorithm.EDDSA
PUBLISHED: Final = (ES256, RS256, EDDSA)
"""The algorithms whose keys have a public part; HS256 is the service's alone."""

ACCEPTED: Final = "accepted"
TOKEN_INVALID: Final = "TOKEN_INVALID"
TOKEN_EXPIRED: Final = "TOKEN_EXPIRED"
NO_TOKEN: Final = "INVALID_KEY_FORMAT"
"""What has not even the form of a token is called a malformed credential."""


@dataclass(frozen=True)
class Forger:
    """Who holds a signing key that is in use and signs with it what no issuer would."""

    issuer: Issuer
    claims: Mapping[str, object] = field(repr=False)
    """The claims of a good token."""
    now: int
    """The moment, in seconds since the epoch."""

    def header(self, **changes: object) -> dict[str, object]:
        return self.issuer.header(**changes)

    def token(
        self,
        header: Mapping[str, object] | bytes | None = None,
        payload: Mapping[str, object] | bytes | None = None,
    ) -> str:
        """Return a signed token, a good one but for what is given."""
        return self.issuer.token(header=header, payload=self.claims if payload is None else payload)

    def with_header(self, **changes: object) -> str:
        return self.token(header=self.header(**changes))

    def with_claims(self, **changes: object) -> str:
        return self.token(payload={**self.claims, **changes})

    def without_claim(self, name: str) -> str:
        return self.token(payload={k: v for k, v in self.claims.items() if k != name})

    def header_and(self, text: bytes) -> str:
        """Return a token with more members of the header, as they are written."""
        return self.token(header=compact_json(self.header())[:-1] + b"," + text + b"}")

    def claims_and(self, text: bytes) -> str:
        """Return a token with more claims, as they are written."""
        return self.token(payload=compact_json(self.claims)[:-1] + b"," + text + b"}")

    def parts(self) -> tuple[str, str, str]:
        """Return the segments of a good token."""
        head, body, signature = self.token().split(".")
        return head, body, signature

    def spare(self) -> tuple[str, str]:
        """Return a header and a payload whose last characters have bits to spare."""
        header, payload = compact_json(self.header()), compact_json(self.claims)
        while len(header) % 3 == 0:
            header += b" "
        while len(payload) % 3 == 0:
            payload += b" "
        return b64(header), b64(payload)


@dataclass(frozen=True)
class Attack:
    """A forged or malformed token, and what is to become of it."""

    area: str
    name: str
    make: Callable[[Forger], str] = field(repr=False)
    verdict: str = TOKEN_INVALID
    algorithms: tuple[SigningAlgorithm, ...] = PUBLISHED
    """The algorithms of the keys that it is an attack on."""

    @property
    def title(self) -> str:
        return f"{self.area}: {self.name}"


def attacks(
    area: str,
    makers: Mapping[str, Callable[[Forger], str]],
    verdict: str = TOKEN_INVALID,
    algorithms: tuple[SigningAlgorithm, ...] = PUBLISHED,
) -> list[Attack]:
    """Return the attacks of an area that have the same verdict."""
    return [Attack(area, name, make, verdict, algorithms) for name, make in makers.items()]
