"""What validations get while the database is away: by policy a status, or memory marked STALE."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest

from orchestrator.auth import AuthServiceError, FreshnessSource, Unavailable, Verdict
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.integration.support import Refusal, bearer, connected, refused, stubs_of, until
from tests.integration.support_fresh import Served, reason_of, remembered, served
from tests.integration.support_proxy import proxied

UNKNOWN = "orch_" + "0" * 40


async def refusal_of_check(server: Served, secret: str) -> Refusal:
    async with stubs_of(server.service.address) as stubs:
        return await refused(
            stubs.auth.ValidateCredential(
                pb.ValidateCredentialRequest(credential=secret),
                metadata=bearer(server.service.admin_key),
            )
        )


async def until_stale(server: Served, secret: str) -> Verdict:
    """Ask until memory answers past its time."""
    verdict = await server.client.check(secret)

    async def is_stale() -> bool:
        nonlocal verdict
        verdict = await server.client.check(secret)
        return verdict.freshness.source is FreshnessSource.STALE

    await until(is_stale)
    return verdict


async def until_unavailable(server: Served, secret: str) -> set[FreshnessSource]:
    """Ask until there is a status; return where the answers before it came from."""
    sources = set()

    async def is_unavailable() -> bool:
        try:
            verdict = await server.client.check(secret)
        except Unavailable:
            return True
        assert verdict
        sources.add(verdict.freshness.source)
        return False

    await until(is_unavailable)
    return sources


async def test_memory_answers_for_max_staleness_and_then_there_is_a_status(
    database_url: str,
) -> None:
    async with proxied(database_url) as proxy, served(proxy.url, max_staleness=1) as server:
        key = await server.new_key()
        await server.remember(key)
        await remembered(server.client, server.service.admin_key)

        proxy.refuse()
        assert await until_unavailable(server, key.secret) <= {FreshnessSource.CACHE}

        refusal = await refusal_of_check(server, key.secret)
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.UNAVAILABLE,
            "DATABASE_UNAVAILABLE",
        )
        assert refusal.retry_delay == timedelta(seconds=1)

        proxy.accept()
        await until(lambda: is_good(server, key.secret))
        await remembered(server.client, key.secret)


async def is_good(server: Served, secret: str) -> bool:
    try:
        return bool(await server.client.check(secret))
    except AuthServiceError:
        return False


async def test_by_policy_memory_answers_marked_stale_and_unknown_keys_are_never_denied(
    database_url: str,
) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, max_staleness=0.3, outage_policy="serve-stale") as server,
    ):
        good, revoked = await server.new_key(), await server.new_key()
        change = await server.client.revoke_key(key_id=revoked.key_id)
        for secret in (good.secret, revoked.secret, UNKNOWN, server.service.admin_key):
            await remembered(server.client, secret, change.revision)

        proxy.refuse()

        verdict = await until_stale(server, good.secret)
        assert verdict
        assert reason_of(await until_stale(server, revoked.secret)) == "KEY_REVOKED"
        # It was known to be absent, but may have come to exist
        with pytest.raises(Unavailable):
            await server.client.check(UNKNOWN)
        # Whoever demands more gets no less; what is revoked stays so
        with pytest.raises(Unavailable):
            await server.client.check(good.secret, at_least_revision=change.revision + 100)
        with pytest.raises(Unavailable):
            await server.client.check(good.secret, authoritative=True)
        denied = await server.client.check(revoked.secret, authoritative=True)
        assert reason_of(denied) == "KEY_REVOKED"


async def test_stale_answers_come_to_an_end(database_url: str) -> None:
    async with (
        proxied(database_url) as proxy,
        served(
            proxy.url, max_staleness=0.3, outage_policy="serve-stale", outage_max_staleness=2
        ) as server,
    ):
        key = await server.new_key()
        await server.remember(key)
        await remembered(server.client, server.service.admin_key)

        proxy.refuse()

        assert FreshnessSource.STALE in await until_unavailable(server, key.secret)


async def test_what_changed_during_an_outage_is_seen_at_its_end(database_url: str) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, max_staleness=0.3, outage_policy="serve-stale") as server,
    ):
        key = await server.new_key()
        await server.remember(key)
        await remembered(server.client, server.service.admin_key)

        # Given a key that is disabled while this server cannot reach the database
        proxy.refuse()
        assert await until_stale(server, key.secret)
        async with connected(database_url) as connection:
            await connection.execute("UPDATE authsvc.keys SET disabled = true")
            await connection.execute(
                "UPDATE authsvc.keys SET disabled = false"
                " WHERE account_id IN (SELECT account_id FROM authsvc.accounts WHERE is_system)"
            )

        # When it can, then no answer that is not marked STALE is a yes
        proxy.accept()

        async def is_denied() -> bool:
            verdict = await server.client.check(key.secret)
            if verdict:
                assert verdict.freshness.source is FreshnessSource.STALE
            return reason_of(verdict) == "KEY_DISABLED"

        await until(is_denied)
