"""A verifier of the tokens of an issuer on this machine, with a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.clock import Deadline, TimeLimit
from authsvc.domain.denials import DenialReason
from authsvc.domain.foreign_issuers import (
    FixedAccount,
    ForeignAlgorithm,
    ForeignTokenRules,
    ScopeMapping,
)
from authsvc.domain.freshness import NO_DEMAND
from authsvc.tokens.foreign.examiner import AllTokensExaminer
from authsvc.tokens.foreign.fetching import Fetcher
from authsvc.tokens.foreign.issuer_keys import IssuerKeys
from authsvc.tokens.foreign.sources import AddressSource, DiscoverySource, KeySetSource
from authsvc.tokens.foreign.verifier import AllTokensVerifier, ForeignIssuer
from authsvc.tokens.token_findings import AccessTokenExaminer
from tests.issuing import AUDIENCE, JWKS, OidcIssuer, trusting
from tests.unit.examples import NoHurry
from tests.unit.forging import RULES, KeysInMemory, Watch, a_keyring, a_verifier

ACCOUNT = "acct_01h2xcejqtf2nbrexx3vqjhp41"
DEFAULT = (ForeignAlgorithm.RS256, ForeignAlgorithm.ES256)


@dataclass
class Verifying:
    """What verifies, what examines, and the clock for the age of keys."""

    verifier: AllTokensVerifier
    examiner: AllTokensExaminer
    keys: IssuerKeys
    watch: Watch

    async def __call__(
        self, token: str, deadline: Deadline | None = None
    ) -> AccessTokenClaims | DenialReason:
        return (await self.verifier.verify(token, NO_DEMAND, deadline or NoHurry())).outcome

    async def accepts(self, token: str) -> bool:
        """Tell whether a token is good; what is neither good nor TOKEN_INVALID fails the test."""
        found = await self(token)
        assert isinstance(found, AccessTokenClaims) or found is DenialReason.TOKEN_INVALID
        return isinstance(found, AccessTokenClaims)


def now() -> datetime:
    return datetime.now(UTC)


def source_of(issuer: OidcIssuer, *, discovers: bool = False) -> KeySetSource:
    fetcher = Fetcher(trusting(), allow_loopback=True)
    if discovers:
        return DiscoverySource(fetcher, issuer.url)
    return AddressSource(fetcher, issuer.url + JWKS)


def verifying(
    issuer: OidcIssuer,
    *,
    algorithms: Sequence[ForeignAlgorithm] = DEFAULT,
    token_types: frozenset[str] = frozenset({"at+jwt", "jwt"}),
    discovers: bool = False,
    source: KeySetSource | None = None,
    fetch_limit: timedelta = timedelta(seconds=10),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Verifying:
    """Return a verifier of tokens of an issuer, and of nobody else's."""
    watch = Watch()
    keys = IssuerKeys(
        alias="local",
        source=source or source_of(issuer, discovers=discovers),
        algorithms=algorithms,
        outage_max_age=timedelta(hours=1),
        monotonic=watch,
        fetch_limit=fetch_limit,
        sleep=sleep,
    )
    rules = ForeignTokenRules(
        alias="local",
        issuer=issuer.url,
        audiences=frozenset({AUDIENCE}),
        account=FixedAccount(ACCOUNT),
        scopes=ScopeMapping("scope", {"read": ("sessions:read",)}),
        subject_claim="sub",
        leeway=timedelta(seconds=10),
        max_lifetime=timedelta(hours=1),
    )
    verifier = AllTokensVerifier(
        own=a_verifier(),
        issuers=[ForeignIssuer(rules, keys, algorithms, token_types)],
        remembered=100,
        clock=now,
    )
    own = AccessTokenExaminer(
        keyring=a_keyring(KeysInMemory(), Watch()), rules=RULES, clock=watch.now
    )
    examiner = AllTokensExaminer(own=own, verifier=verifier, clock=now)
    return Verifying(verifier, examiner, keys, watch)


def in_a_hurry() -> TimeLimit:
    """Return a deadline that has passed."""
    return TimeLimit(0, lambda: 0.0)
