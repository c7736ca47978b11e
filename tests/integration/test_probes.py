"""`/livez` and `/readyz`: what they say, and that readiness is what gRPC health says."""

from __future__ import annotations

import asyncio

import pytest

from authsvc.config import Settings
from tests.conftest import Service, serving, settings_for
from tests.integration.support import WRITERS_LOCKED, locked, stubs_of, until, until_waiting
from tests.integration.support_faults import AUTH_SERVICE, NOT_SERVING, SERVING, status_of
from tests.integration.support_http import FREE_ADDRESS, Answer, fetch
from tests.integration.support_proxy import proxied


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, object]:
    return {"http_address": FREE_ADDRESS}


async def until_answered(service: Service, text: str) -> Answer:
    """Ask for readiness until it says something."""
    answer = None

    async def is_said() -> bool:
        nonlocal answer
        answer = await fetch(service.http_address, "/readyz?verbose")
        return text in answer.body.decode()

    await until(is_said)
    assert answer is not None
    return answer


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_a_good_server_says_ok(shared_service: Service, path: str) -> None:
    answer = await fetch(shared_service.http_address, path)

    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_a_probe_may_ask_for_the_head_alone(shared_service: Service, path: str) -> None:
    answer = await fetch(shared_service.http_address, path, method="HEAD")

    assert (answer.status, answer.body) == (200, b"")


async def test_a_good_server_tells_what_it_looked_at(shared_service: Service) -> None:
    answer = await fetch(shared_service.http_address, "/readyz?verbose")

    assert answer.status == 200
    assert answer.body.decode().splitlines() == [
        "[+] process: takes calls",
        "[+] database: answers",
        "ready",
    ]


async def test_a_server_without_its_database_is_alive_but_not_ready(database_url: str) -> None:
    async with (
        proxied(database_url) as proxy,
        serving(settings_for(proxy.url, http_address=FREE_ADDRESS)) as service,
        stubs_of(service.address) as stubs,
    ):
        proxy.refuse()
        answer = await until_answered(service, "database: does not answer")

        assert answer.status == 503
        assert (await fetch(service.http_address, "/readyz")).body == answer.body
        assert await status_of(stubs, AUTH_SERVICE) == NOT_SERVING
        assert (await fetch(service.http_address, "/livez")).status == 200

        proxy.accept()
        assert (await until_answered(service, "database: answers")).status == 200


async def test_under_serve_stale_a_server_without_its_database_is_ready(database_url: str) -> None:
    async with (
        proxied(database_url) as proxy,
        serving(
            settings_for(proxy.url, http_address=FREE_ADDRESS, outage_policy="serve-stale")
        ) as service,
        stubs_of(service.address) as stubs,
    ):
        log = service.parts.judging.log

        async def is_followed() -> bool:
            return log.age() is not None

        # Memory may answer only once the changes have been read.
        await until(is_followed)

        proxy.refuse()
        answer = await until_answered(service, "memory answers in its place")

        assert answer.status == 200
        assert await status_of(stubs, AUTH_SERVICE) == SERVING


async def test_a_server_that_drains_is_not_ready(settings: Settings) -> None:
    with_http = settings.model_copy(update={"http_address": FREE_ADDRESS, "shutdown_grace": 30.0})
    async with (
        serving(with_http) as service,
        service.client() as client,
        locked(service, WRITERS_LOCKED) as connection,
    ):
        # Given a call that holds the draining server up
        call = asyncio.ensure_future(
            client.create_key("last", account_id=service.account.account_id)
        )
        await until_waiting(connection, 1)

        service.stop.set()

        answer = await until_answered(service, "process: draining, wants no new calls")
        assert answer.status == 503
        call.cancel()
