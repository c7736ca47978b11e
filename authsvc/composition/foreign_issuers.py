"""Other issuers and the keys of each: built here, joined with the rest in `authsvc.app`."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from authsvc.config import InvalidSettings, Settings, problems_of
from authsvc.domain.clock import Clock
from authsvc.settings.issuers import IssuerEntry
from authsvc.settings.issuers_file import check_issuers_file
from authsvc.tokens.foreign.examiner import AllTokensExaminer
from authsvc.tokens.foreign.fetching import Fetcher
from authsvc.tokens.foreign.issuer_keys import IssuerKeys
from authsvc.tokens.foreign.sources import (
    AddressSource,
    DiscoverySource,
    FileSource,
    KeySetSource,
)
from authsvc.tokens.foreign.verifier import AllTokensVerifier, ForeignIssuer
from authsvc.tokens.token_findings import AccessTokenExaminer
from authsvc.tokens.verifier import AccessTokenVerifier


@dataclass(frozen=True, slots=True)
class TokenReaders:
    """What reads tokens, and the keys of other issuers that it does so with."""

    verifier: AccessTokenVerifier | AllTokensVerifier
    examiner: AccessTokenExaminer | AllTokensExaminer
    issuers: Sequence[ForeignIssuer] = ()

    async def keep_fresh(self) -> None:
        """Fetch the keys of the other issuers again and again, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for issuer in self.issuers:
                group.create_task(issuer.keys.keep_fresh())


def build_token_readers(
    settings: Settings,
    *,
    own_verifier: AccessTokenVerifier,
    own_examiner: AccessTokenExaminer,
    clock: Clock,
) -> TokenReaders:
    """Build what reads tokens of this service and of the issuers that are configured.

    Without any, our own are read as if there were no such thing.

    Raises:
        InvalidSettings: The file of issuers is no good.
    """
    if settings.issuers_file is None:
        return TokenReaders(own_verifier, own_examiner)
    try:
        # Settings checked the file, but it may have changed since.
        entries = check_issuers_file(settings.issuers_file, own_issuer=settings.token_issuer)
    except ValueError as error:
        raise InvalidSettings(problems_of("AUTHSVC_ISSUERS_FILE", str(error))) from None
    issuers = [_issuer(entry, settings.leeway) for entry in entries]
    verifier = AllTokensVerifier(
        own=own_verifier, issuers=issuers, remembered=settings.cache_tokens, clock=clock
    )
    examiner = AllTokensExaminer(own=own_examiner, verifier=verifier, clock=clock)
    return TokenReaders(verifier, examiner, issuers)


def _issuer(entry: IssuerEntry, leeway: timedelta) -> ForeignIssuer:
    keys = IssuerKeys(
        alias=entry.alias,
        source=_source(entry),
        algorithms=entry.algorithms,
        outage_max_age=timedelta(seconds=entry.outage_max_age),
        monotonic=time.monotonic,
    )
    return ForeignIssuer(
        entry.rules(leeway), keys, tuple(entry.algorithms), frozenset(entry.token_types)
    )


def _source(entry: IssuerEntry) -> KeySetSource:
    if entry.jwks_file is not None:
        return FileSource(entry.jwks_file)
    tls = ssl.create_default_context(cafile=entry.ca_file)
    fetcher = Fetcher(tls, allow_loopback=entry.allow_loopback)
    if entry.jwks_uri is not None:
        return AddressSource(fetcher, entry.jwks_uri)
    return DiscoverySource(fetcher, entry.issuer)
