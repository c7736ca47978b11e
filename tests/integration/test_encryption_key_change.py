"""Another encryption key, step by step as docs/signing-keys.md has it, with two replicas."""

from __future__ import annotations

import base64
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from authsvc import app
from authsvc.config import Settings
from authsvc.tokens.sealing import SealBroken
from orchestrator.auth import AsyncAuthClient
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from orchestrator.auth.v1.key_management_pb2 import ListKeysRequest
from tests.conftest import ENCRYPTION_KEY, ORIGIN, Service, serving
from tests.integration.support import bearer, fresh_name, mint, stubs_of, until

OLD, NEW = ENCRYPTION_KEY, base64.b64encode(bytes(range(32, 64))).decode()
Keys = tuple[str, str | None]
"""What a replica has as its encryption key and as its previous one."""
BEFORE: Keys = (OLD, None)
READS_NEW: Keys = (OLD, NEW)
SEALS_NEW: Keys = (NEW, OLD)
AFTER: Keys = (NEW, None)


def keyed(settings: Settings, keys: Keys) -> Settings:
    key, previous = keys
    return settings.model_copy(
        update={
            "encryption_key": SecretStr(key),
            "encryption_key_previous": None if previous is None else SecretStr(previous),
            "signing_key_lead": 0.0,
            "max_staleness": 0.5,
        }
    )


@asynccontextmanager
async def replicas(settings: Settings, *keys: Keys) -> AsyncIterator[list[Service]]:
    """Serve from two replicas with these keys."""
    one, two = (keyed(settings, pair) for pair in keys)
    async with serving(one) as first, serving(two) as second:
        yield [first, second]


@dataclass
class History:
    """What clients were given, and hold on to."""

    tokens: list[str] = field(default_factory=list)
    created: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, request id and secret of each key."""


async def create(client: AsyncAuthClient, service: Service, name: str, request_id: str) -> str:
    made = await client.create_key(
        name, account_id=service.account.account_id, request_id=request_id
    )
    return made.secret.reveal()


async def use(services: list[Service], history: History, admin_key: str) -> None:
    """Let each replica make what the other one has to read, and read all that was made before."""
    async with services[0].client(admin_key) as one, services[1].client(admin_key) as two:
        clients = [one, two]
        for service, client in zip(services, clients, strict=True):
            # A new signing key, and a token of it
            await client.rotate_signing_key()
            history.tokens.append(await mint(service))
            # A key whose answer may be asked for again
            name, request_id = fresh_name(), str(uuid.uuid4())
            secret = await create(client, service, name, request_id)
            history.created.append((name, request_id, secret))
        for service, client in zip(services, clients, strict=True):

            async def all_good(client: AsyncAuthClient = client) -> bool:
                verdicts = await client.check_many(history.tokens)
                return all(verdict.denial is None for verdict in verdicts)

            await until(all_good)
            for name, request_id, secret in history.created:
                assert await create(client, service, name, request_id) == secret
        await pages_go_on(services, admin_key)


async def pages_go_on(services: list[Service], admin_key: str) -> None:
    """Read the first page at each replica and the second one at the other."""
    account_id = services[0].account.account_id
    for first, second in (services, services[::-1]):
        async with stubs_of(first.address) as here, stubs_of(second.address) as there:
            request = ListKeysRequest(account_id=account_id, page_size=1)
            page = await AuthServiceStub(here.channel).ListKeys(request, metadata=bearer(admin_key))
            request.page_token = page.next_page_token
            assert request.page_token
            assert await AuthServiceStub(there.channel).ListKeys(
                request, metadata=bearer(admin_key)
            )


async def test_no_step_of_the_change_is_noticed(settings: Settings) -> None:
    history = History()
    async with replicas(settings, BEFORE, BEFORE) as services:
        admin_key = services[0].admin_key
        await use(services, history, admin_key)

    # Every replica learns to read the new key, one after the other
    for keys in ((READS_NEW, BEFORE), (READS_NEW, READS_NEW)):
        async with replicas(settings, *keys) as services:
            await use(services, history, admin_key)

    # Every replica goes over to it, one after the other
    for keys in ((SEALS_NEW, READS_NEW), (SEALS_NEW, SEALS_NEW)):
        async with replicas(settings, *keys) as services:
            await use(services, history, admin_key)

    # Signing keys are sealed anew, while both serve
    async with replicas(settings, SEALS_NEW, SEALS_NEW) as services:
        # Two of each step before, and the one of the start
        count = 2 * 5 + 1
        done = await services[0].parts.signing.reencrypt(ORIGIN, app.time_limit())
        assert len(done.resealed) + len(done.current) == count
        assert done.resealed
        again = await services[1].parts.signing.reencrypt(ORIGIN, app.time_limit())
        assert (len(again.resealed), len(again.current)) == (0, count)
        await use(services, history, admin_key)

    # When no answer of before can be asked for any more, the old key goes
    history.created.clear()
    for keys in ((AFTER, SEALS_NEW), (AFTER, AFTER)):
        async with replicas(settings, *keys) as services:
            await use(services, history, admin_key)


async def test_a_replica_that_cannot_read_the_new_key_refuses_good_tokens(
    settings: Settings,
) -> None:
    # Why the first step comes first
    async with (
        serving(keyed(settings, BEFORE)) as of_before,
        serving(keyed(settings, SEALS_NEW)) as service,
        service.client() as one,
        of_before.client() as two,
    ):
        await one.rotate_signing_key()
        token = await mint(service)

        async def is_good() -> bool:
            return (await one.check(token)).denial is None

        await until(is_good)
        verdict = await two.check(token, authoritative=True)
        assert verdict.denial is not None
        assert verdict.denial.reason == "TOKEN_INVALID"


async def test_the_old_key_cannot_go_before_what_it_sealed(settings: Settings) -> None:
    async with replicas(settings, BEFORE, BEFORE):
        pass

    with pytest.raises(SealBroken, match="AUTHSVC_ENCRYPTION_KEY_PREVIOUS"):
        await app.check_start(keyed(settings, AFTER))

    async with app.open_parts(keyed(settings, SEALS_NEW)) as parts:
        await parts.signing.reencrypt(ORIGIN, app.time_limit())
    await app.check_start(keyed(settings, AFTER))


async def test_other_arguments_are_told_of_an_answer_of_before(settings: Settings) -> None:
    request_id = str(uuid.uuid4())
    async with serving(keyed(settings, BEFORE)) as service, service.client() as client:
        admin_key = service.admin_key
        await create(client, service, fresh_name(), request_id)

    async with (
        serving(keyed(settings, SEALS_NEW)) as service,
        service.client(admin_key) as client,
    ):
        with pytest.raises(Exception, match="REQUEST_ID_REUSED"):
            await create(client, service, fresh_name(), request_id)
