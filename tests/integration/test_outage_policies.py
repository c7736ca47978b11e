"""What validations get while the database is away, by policy; with a real database that goes."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import pytest
import pytest_asyncio

from authsvc.config import Settings
from authsvc.config_values import OutagePolicy
from authsvc.postgres import schema
from authsvc.postgres.embedded import EmbeddedPostgres
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import freshness_pb2
from tests.conftest import Service, a_database, serving, settings_for
from tests.integration.support import Stubs, bearer, mint, refusal_of, refused, stubs_of, until
from tests.integration.support_faults import (
    AUTH_SERVICE,
    NOT_SERVING,
    SERVING,
    assert_unavailable,
    status_of,
    until_status,
)

CACHE = freshness_pb2.FRESHNESS_SOURCE_CACHE
STALE = freshness_pb2.FRESHNESS_SOURCE_STALE


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """A database server that tests of this module may stop, if they start it again."""
    async with EmbeddedPostgres(tmp_path_factory.mktemp("outages")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def settings(postgres: EmbeddedPostgres) -> AsyncIterator[Settings]:
    """Settings for a server on a database of its own there."""
    async with a_database(postgres.url()) as url:
        await schema.migrate(url)
        yield settings_for(url, database_timeout=1.0, shutdown_grace=0.5)


@dataclass(frozen=True)
class Served:
    """A service with credentials that it has in memory, and its database's server."""

    service: Service
    stubs: Stubs
    postgres: EmbeddedPostgres
    good_key: str
    revoked_key: str
    disabled_key: str
    token: str

    async def ask(self, credential: str, **freshness: object) -> pb.ValidateCredentialResponse:
        request = pb.ValidateCredentialRequest(credential=credential)
        if freshness:
            request.freshness.CopyFrom(freshness_pb2.FreshnessRequirement(**freshness))  # type: ignore[arg-type] # the test names them
        return await self.stubs.auth.ValidateCredential(
            request, metadata=bearer(self.service.admin_key), timeout=3
        )

    async def answers(self, credentials: Sequence[str]) -> list[str]:
        """Return a word for each answer: a reason of a denial, of an error, or OK."""
        return [await self._answer(credential) for credential in credentials]

    async def _answer(self, credential: str) -> str:
        try:
            response = await self.ask(credential)
        except grpc.aio.AioRpcError as error:
            return refusal_of(error).reason
        return response.denial.message or "OK"

    @property
    def known(self) -> list[str]:
        return [self.good_key, self.revoked_key, self.disabled_key, self.token]

    async def is_overall_not_serving(self) -> bool:
        return bool(await status_of(self.stubs) == NOT_SERVING)

    @asynccontextmanager
    async def database_away(self) -> AsyncIterator[None]:
        await self.postgres.stop()
        try:
            yield
        finally:
            await self.postgres.start()


@asynccontextmanager
async def served(
    settings: Settings, postgres: EmbeddedPostgres, **changes: object
) -> AsyncIterator[Served]:
    """Serve, and wait until everything that is asked for is in memory."""
    async with (
        serving(settings.model_copy(update=changes)) as service,
        stubs_of(service.address) as stubs,
    ):
        made = Served(
            service=service,
            stubs=stubs,
            postgres=postgres,
            good_key=await service.create_key(),
            revoked_key=await service.create_key(),
            disabled_key=await service.create_key(),
            token=await mint(service),
        )
        for secret, change in (
            (made.revoked_key, "revoke_time = now()"),
            (made.disabled_key, "disabled = true"),
        ):
            digest = f"sha256(convert_to('{secret}', 'UTF8'))"
            await service.execute(f"UPDATE authsvc.keys SET {change} WHERE digest = {digest}")

        async def all_in_memory() -> bool:
            answers = [await made.ask(credential) for credential in made.known]
            return {answer.freshness.source for answer in answers} == {CACHE}

        await until(all_in_memory)
        yield made


KNOWN_ANSWERS = ["OK", "API key revoked", "API key disabled", "OK"]


def an_unknown_key() -> str:
    return f"orch_{secrets.token_hex(20)}"


async def test_known_credentials_go_on_for_max_staleness_and_then_are_unavailable(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    async with served(settings, postgres, max_staleness=4.0) as it:
        # Given a database that goes away, when it has just gone, then memory answers as before
        async with it.database_away():
            assert await it.answers(it.known) == KNOWN_ANSWERS

            # And when memory is too old, then no good credential is denied for it
            async def is_unavailable() -> bool:
                answer = (await it.answers([it.good_key]))[0]
                assert answer in {"OK", "DATABASE_UNAVAILABLE"}
                return answer == "DATABASE_UNAVAILABLE"

            await until(is_unavailable)
            assert_unavailable(await refused(it.ask(it.token)))
            await until_status(it.stubs, NOT_SERVING)
            assert await status_of(it.stubs) == NOT_SERVING

        # And everything comes back by itself
        await until_status(it.stubs, SERVING)

        async def all_answer() -> bool:
            return await it.answers(it.known) == KNOWN_ANSWERS

        await until(all_answer)


async def test_an_answer_from_memory_is_never_older_than_max_staleness(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    max_staleness = 2.0
    async with served(settings, postgres, max_staleness=max_staleness) as it, it.database_away():
        answers = 0

        async def is_unavailable() -> bool:
            nonlocal answers
            begun = time.time()
            try:
                answer = await it.ask(it.good_key)
            except grpc.aio.AioRpcError:
                return True
            answers += 1
            assert answer.freshness.source == CACHE
            assert begun - answer.freshness.as_of.ToNanoseconds() / 1e9 <= max_staleness
            return False

        await until(is_unavailable)
    assert answers > 0


@pytest.mark.parametrize("policy", OutagePolicy)
async def test_what_memory_cannot_answer_is_unavailable_at_once(
    settings: Settings, postgres: EmbeddedPostgres, policy: OutagePolicy
) -> None:
    async with served(settings, postgres, outage_policy=policy, max_staleness=60.0) as it:
        # Given a key that is known to be absent, and a revision that memory has not seen
        absent = an_unknown_key()
        assert (await it.ask(absent)).denial.message == "API key not found"

        async with it.database_away():
            for call in (
                it.ask(an_unknown_key()),
                it.ask(it.good_key, authoritative=True),
                it.ask(it.good_key, at_least_revision=10**9),
                it.ask(it.token, authoritative=True),
            ):
                assert_unavailable(await refused(call))
            # What needs no record is answered as ever
            assert (await it.ask("orch_1")).denial.message == "Invalid API key format"


async def test_serve_stale_answers_from_memory_and_says_so(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    async with served(
        settings,
        postgres,
        outage_policy=OutagePolicy.SERVE_STALE,
        max_staleness=0.5,
        outage_max_staleness=300.0,
    ) as it:
        absent = an_unknown_key()
        assert (await it.ask(absent)).denial.message == "API key not found"
        async with it.database_away():
            # When memory is older than it may be with the database at hand
            async def is_stale() -> bool:
                return (await it.ask(it.good_key)).freshness.source == STALE

            await until(is_stale)

            # Then keys are answered as they were, and marked
            gone = time.time()
            answers = [await it.ask(key) for key in it.known[:3]]
            assert [a.denial.message or "OK" for a in answers] == KNOWN_ANSWERS[:3]
            assert [a.freshness.source for a in answers] == [STALE] * 3
            assert all(a.freshness.as_of.ToNanoseconds() / 1e9 < gone for a in answers)
            # Nothing is not found for lack of a database, not even what was not found before
            assert_unavailable(await refused(it.ask(an_unknown_key())))
            assert_unavailable(await refused(it.ask(absent)))
            # Who demands more gets no less
            assert_unavailable(await refused(it.ask(it.good_key, authoritative=True)))
            # The service says that it serves, and that the database does not
            await until(it.is_overall_not_serving)
            assert await status_of(it.stubs, AUTH_SERVICE) == SERVING

        async def is_fresh() -> bool:
            return (await it.ask(it.good_key)).freshness.source != STALE

        await until(is_fresh)


async def test_serve_stale_ends_when_memory_is_older_than_the_outage_may_be(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    async with (
        served(
            settings,
            postgres,
            outage_policy=OutagePolicy.SERVE_STALE,
            max_staleness=0.2,
            outage_max_staleness=4.0,
        ) as it,
        it.database_away(),
    ):
        # Given answers that are stale
        sources = set()

        # When the outage goes on
        async def is_unavailable() -> bool:
            try:
                answer = await it.ask(it.good_key)
            except grpc.aio.AioRpcError as error:
                assert_unavailable(refusal_of(error))
                return True
            assert answer.HasField("principal")
            sources.add(answer.freshness.source)
            return False

        await until(is_unavailable)

        # Then nothing good is denied for it, but answered no longer, and health says so
        assert STALE in sources
        await until_status(it.stubs, NOT_SERVING)


async def test_a_caller_known_to_be_revoked_stays_refused_while_the_database_is_away(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    async with served(settings, postgres, max_staleness=0.2) as it, it.database_away():
        await asyncio.sleep(0.4)
        request = pb.ValidateCredentialRequest(credential=it.good_key)

        refusal = await refused(
            it.stubs.auth.ValidateCredential(request, metadata=bearer(it.revoked_key), timeout=3)
        )

    assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
    assert refusal.info.metadata["denial_reason"] == "DENIAL_REASON_KEY_REVOKED"
