"""What tests of freshness share: two servers on one database, and waiting for an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from authsvc import app
from authsvc.domain import ids
from authsvc.domain.key_secrets import digest_of
from authsvc.domain.keys import Key
from orchestrator.auth import AsyncAuthClient, FreshnessSource, Verdict
from tests.conftest import ORIGIN, Service, serving, settings_for
from tests.integration.support import fresh_name, until

SLACK = timedelta(milliseconds=100)
"""How far the wall clock and the monotonic clock may drift apart during a test."""


@dataclass(frozen=True)
class Served:
    """A served service with its client."""

    service: Service
    client: AsyncAuthClient

    async def new_key(self, *scopes: str, ttl: timedelta | None = None) -> NewKey:
        """Make a key of the ordinary account."""
        created = await self.client.create_key(
            fresh_name(), account_id=self.service.account.account_id, scopes=scopes, ttl=ttl
        )
        return NewKey(created.key.key_id, created.secret.reveal(), created.revision)

    async def remember(self, *keys: NewKey) -> None:
        """Have keys in memory, to stay there until they change."""
        for key in keys:
            await remembered(self.client, key.secret, key.revision)


@dataclass(frozen=True)
class NewKey:
    """A key, with its secret."""

    key_id: str
    secret: str
    revision: int


@asynccontextmanager
async def served(url: str, **changes: object) -> AsyncIterator[Served]:
    """Serve on a database, with a client."""
    async with serving(settings_for(url, **changes)) as service, service.client() as client:
        yield Served(service, client)


async def remembered(client: AsyncAuthClient, secret: str, revision: int | None = None) -> Verdict:
    """Ask until the answer comes from memory.

    Args:
        client: Asks.
        secret: What it asks about.
        revision: That of the latest change; without it, the answer may be forgotten again when
            the follower comes to that.
    """
    verdict = await client.check(secret)

    async def is_from_memory() -> bool:
        nonlocal verdict
        verdict = await client.check(secret, at_least_revision=revision)
        return verdict.freshness.source is FreshnessSource.CACHE

    await until(is_from_memory)
    return verdict


async def until_verdict(client: AsyncAuthClient, secret: str, reason: str | None) -> Verdict:
    """Ask, demanding nothing, until the credential is denied for a reason; None: until good."""
    verdict = await client.check(secret)

    async def is_reached() -> bool:
        nonlocal verdict
        verdict = await client.check(secret)
        return reason_of(verdict) == reason

    await until(is_reached)
    return verdict


def reason_of(verdict: Verdict) -> str | None:
    """Return why a credential is denied; None when it is good."""
    return None if verdict.denial is None else str(verdict.denial.reason)


async def insert_key(service: Service, secret: str) -> str:
    """Put a key with a given secret into the database, and return its id."""
    key = Key(
        key_id=ids.new_id(ids.KEY),
        account_id=service.account.account_id,
        name=fresh_name(),
        scopes=("*",),
        hint="",
        create_time=datetime.now(UTC),
        expire_time=None,
        metadata={},
        revision=0,
    )
    await service.parts.keys.insert_key(key, digest_of(secret), ORIGIN, app.time_limit())
    return key.key_id
