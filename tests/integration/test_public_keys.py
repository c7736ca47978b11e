"""The public keys of access tokens: over gRPC and over HTTP, for libraries that are not ours."""

from __future__ import annotations

import asyncio
import socket

import jwt
import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from authsvc import app
from authsvc.config import Settings
from authsvc.config_values import OutagePolicy
from authsvc.domain.signing_keys import SigningAlgorithm
from authsvc.listening import AddressInUse
from orchestrator.auth import AsyncAuthClient, Unavailable
from orchestrator.auth.v1 import jwks_pb2
from orchestrator.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tests.conftest import Service, serving, settings_for
from tests.integration.support import Stubs, mint, until
from tests.integration.support_http import FREE_ADDRESS, JWKS_PATH, fetch, kids_at
from tests.integration.support_proxy import proxied

PUBLIC = [algorithm for algorithm in SigningAlgorithm if algorithm is not SigningAlgorithm.HS256]
JSON = "application/json"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A server that serves HTTP."""
    return settings.model_copy(update={"http_address": FREE_ADDRESS})


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, object]:
    return {"http_address": FREE_ADDRESS}


# RFC 9864 has a newer name for EdDSA, which few libraries know yet.
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("algorithm", PUBLIC)
async def test_a_library_that_is_not_ours_verifies_a_token_by_what_http_serves(
    settings: Settings, algorithm: SigningAlgorithm
) -> None:
    async with serving(settings.model_copy(update={"token_algorithm": algorithm})) as service:
        token = await mint(service)
        document = (await fetch(service.http_address)).json

    keys = KeySet.import_key_set(document)
    verified = jws.deserialize_compact(token, keys, algorithms=[algorithm.value])

    assert verified.headers()["kid"] == document["keys"][0]["kid"]


@pytest.mark.parametrize("algorithm", PUBLIC)
async def test_pyjwt_verifies_a_token_by_what_the_client_returns(
    settings: Settings, algorithm: SigningAlgorithm
) -> None:
    served = settings.model_copy(update={"token_algorithm": algorithm})
    async with serving(served) as service, service.client() as client:
        token = await mint(service, user_id="user_7")
        document = (await client.get_jwks()).as_dict()

    key = jwt.PyJWKSet.from_dict(document)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=[algorithm.value], audience=settings.token_audience)

    assert claims["sub"] == "user_7"


async def test_a_key_that_is_secret_is_never_public(settings: Settings) -> None:
    secret = settings.model_copy(update={"token_algorithm": SigningAlgorithm.HS256})
    async with serving(secret) as service, service.client() as client:
        await client.validate(await mint(service))

        assert (await client.get_jwks()).keys == ()
        assert (await fetch(service.http_address)).json == {"keys": []}


async def test_grpc_and_http_say_the_same(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    over_grpc = await shared_client.get_jwks()
    over_http = await fetch(shared_service.http_address)

    assert over_http.json == over_grpc.as_dict()
    assert over_grpc.max_age.total_seconds() == 300
    assert over_http.headers["cache-control"] == "public, max-age=300"


async def test_nobody_needs_a_credential(shared_stubs: Stubs) -> None:
    stub = SessionServiceStub(shared_stubs.channel)

    response = await stub.GetJwks(jwks_pb2.GetJwksRequest(), timeout=5)

    assert response.keys


async def test_what_http_serves_has_its_type_and_is_open_to_every_origin(
    shared_service: Service,
) -> None:
    answer = await fetch(shared_service.http_address)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["etag"].startswith('"')
    assert "server" not in answer.headers


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_who_has_it_already_gets_it_not_again(shared_service: Service, form: str) -> None:
    first = await fetch(shared_service.http_address)
    tag = form.format(first.headers["etag"])

    second = await fetch(shared_service.http_address, headers={"If-None-Match": tag})

    assert (second.status, second.body) == (304, b"")
    for name in ("etag", "cache-control", "access-control-allow-origin"):
        assert second.headers[name] == first.headers[name]


async def test_who_has_another_one_gets_this_one(service: Service, client: AsyncAuthClient) -> None:
    first = await fetch(service.http_address)
    await client.rotate_signing_key()

    second = await fetch(service.http_address, headers={"If-None-Match": first.headers["etag"]})

    assert second.status == 200
    assert len(second.json["keys"]) == 2
    assert second.headers["etag"] != first.headers["etag"]


async def test_head_is_get_without_a_body(shared_service: Service) -> None:
    got = await fetch(shared_service.http_address)
    head = await fetch(shared_service.http_address, method="HEAD")

    assert (head.status, head.body) == (200, b"")
    for name in ("etag", "content-length", "content-type"):
        assert head.headers[name] == got.headers[name]


async def test_a_browser_may_ask_before_it_asks(shared_service: Service) -> None:
    answer = await fetch(
        shared_service.http_address,
        method="OPTIONS",
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "GET"},
    )

    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "GET" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_another_method_is_refused(shared_service: Service, method: str) -> None:
    answer = await fetch(shared_service.http_address, method=method)

    assert (answer.status, answer.headers["content-type"]) == (405, JSON)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert answer.json["error"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("path", ["/", JWKS_PATH + "/", "/.well-known/../etc/passwd", "/%00"])
async def test_there_is_nothing_else(shared_service: Service, path: str) -> None:
    answer = await fetch(shared_service.http_address, path)

    assert (answer.status, answer.headers["content-type"]) == (404, JSON)
    assert answer.json == {
        "error": "NOT_FOUND",
        "message": "There is nothing at this path",
        "code": 404,
    }


async def test_an_unexpected_fault_says_nothing_of_itself(
    shared_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_self: object, _deadline: object) -> None:
        raise ValueError("hunter2")

    monkeypatch.setattr(type(shared_service.parts.signing.keyring), "list_published", fail)

    answer = await fetch(shared_service.http_address)

    assert (answer.status, answer.headers["content-type"]) == (500, JSON)
    assert answer.json == {
        "error": "INTERNAL_SERVER_ERROR",
        "message": "The service failed",
        "code": 500,
    }
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_while_the_database_is_away_memory_answers_until_it_is_too_old(
    database_url: str,
) -> None:
    async with proxied(database_url) as proxy:
        settings = settings_for(
            proxy.url,
            http_address=FREE_ADDRESS,
            max_staleness=0.5,
            database_timeout=0.5,
            outage_policy=OutagePolicy.SERVE_STALE,
            outage_max_staleness=1.5,
        )
        async with serving(settings) as service, service.client() as client:
            kids = await kids_at(service.http_address)
            proxy.refuse()

            async def is_away() -> bool:
                answer = await fetch(service.http_address)
                if answer.status == 200:
                    assert [key["kid"] for key in answer.json["keys"]] == kids
                    return False
                assert (answer.status, answer.headers["content-type"]) == (503, JSON)
                assert answer.headers["retry-after"] == "1"
                assert answer.headers["cache-control"] == "no-store"
                return True

            assert not await is_away()
            await until(is_away)
            with pytest.raises(Unavailable):
                await client.get_jwks()
            proxy.accept()

            async def is_back() -> bool:
                return (await fetch(service.http_address)).status == 200

            await until(is_back)


async def test_http_can_be_switched_off(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"http_address": "off"})) as service:
        assert service.http_address == ""
        async with service.client() as client:
            assert (await client.get_jwks()).keys


async def test_an_address_that_is_taken_is_an_error_at_the_start(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        taken = settings.model_copy(update={"http_address": address})

        async with app.open_parts(taken) as parts:
            with pytest.raises(
                AddressInUse, match=f"cannot listen on {address}.*AUTHSVC_HTTP_ADDRESS"
            ):
                await app.serve(parts, asyncio.Event())


async def test_a_server_that_ends_gives_its_port_back(settings: Settings) -> None:
    async with serving(settings) as service:
        address = service.http_address
        # A connection that is kept open does not hold it up.
        host, _, port = address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))

    writer.close()
    async with serving(settings.model_copy(update={"http_address": address})) as again:
        assert await kids_at(again.http_address)
