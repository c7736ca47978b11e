"""grpc.health.v1 and server reflection, as probes and grpcurl use them."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2 as reflection

from authsvc.config import Settings
from tests.conftest import Service, serving
from tests.integration.support import KEYS_LOCKED, Stubs, locked, stubs_of

SERVICES = [
    f"orchestrator.auth.v1.{name}"
    for name in ("AccountService", "AuditService", "AuthService", "SessionService")
]
V1, V1ALPHA = "grpc.reflection.v1", "grpc.reflection.v1alpha"
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("name", ["", *SERVICES])
async def test_a_service_on_a_good_database_is_serving(shared_stubs: Stubs, name: str) -> None:
    health = health_pb2_grpc.HealthStub(shared_stubs.channel)

    answer = await health.Check(health_pb2.HealthCheckRequest(service=name))

    assert answer.status == SERVING


@pytest.mark.parametrize("name", ["orchestrator.auth.v1.NoSuchService", "x"])
async def test_a_service_that_is_unknown_is_not_found(shared_stubs: Stubs, name: str) -> None:
    health = health_pb2_grpc.HealthStub(shared_stubs.channel)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(health_pb2.HealthCheckRequest(service=name))

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_watch_begins_with_the_present_status(shared_stubs: Stubs) -> None:
    health = health_pb2_grpc.HealthStub(shared_stubs.channel)

    statuses = []
    for name in (*SERVICES, "unknown"):
        watch = health.Watch(health_pb2.HealthCheckRequest(service=name))
        statuses.append((await watch.read()).status)
        watch.cancel()

    unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    assert statuses == [*[SERVING] * len(SERVICES), unknown]


async def test_health_does_not_wait_for_a_lock_on_the_keys(service: Service, stubs: Stubs) -> None:
    health = health_pb2_grpc.HealthStub(stubs.channel)

    async with locked(service, KEYS_LOCKED):
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=5)

    assert answer.status == SERVING


async def ask(
    stubs: Stubs, package: str, *requests: reflection.ServerReflectionRequest
) -> list[reflection.ServerReflectionResponse]:
    """Ask the reflection of one version."""
    converse = stubs.channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection.ServerReflectionResponse.FromString,
    )
    call = converse(iter(requests), timeout=10)
    return [answer async for answer in call]


@pytest.mark.parametrize("package", [V1, V1ALPHA])
async def test_reflection_lists_the_services(shared_stubs: Stubs, package: str) -> None:
    (answer,) = await ask(
        shared_stubs, package, reflection.ServerReflectionRequest(list_services="")
    )

    assert sorted(service.name for service in answer.list_services_response.service) == [
        "grpc.health.v1.Health",
        f"{V1}.ServerReflection",
        f"{V1ALPHA}.ServerReflection",
        *SERVICES,
    ]


@pytest.mark.parametrize("package", [V1, V1ALPHA])
@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("orchestrator.auth.v1.AccountService", "orchestrator/auth/v1/account_service.proto"),
        (
            "orchestrator.auth.v1.AuthService.ValidateCredential",
            "orchestrator/auth/v1/auth_service.proto",
        ),
        ("orchestrator.auth.v1.Principal", "orchestrator/auth/v1/principal.proto"),
        ("grpc.health.v1.Health", "grpc_health/v1/health.proto"),
        (f"{V1}.ServerReflection", "grpc_reflection/v1/reflection.proto"),
        (f"{V1ALPHA}.ServerReflection", "grpc_reflection/v1alpha/reflection.proto"),
    ],
)
async def test_reflection_finds_the_file_of_a_symbol(
    shared_stubs: Stubs, package: str, symbol: str, file: str
) -> None:
    by_symbol, by_name = await ask(
        shared_stubs,
        package,
        reflection.ServerReflectionRequest(file_containing_symbol=symbol),
        reflection.ServerReflectionRequest(file_by_filename=file),
    )

    files = [
        FileDescriptorProto.FromString(each)
        for each in by_symbol.file_descriptor_response.file_descriptor_proto
    ]
    assert file in [each.name for each in files]
    assert by_name.file_descriptor_response.file_descriptor_proto


@pytest.mark.parametrize("package", [V1, V1ALPHA])
async def test_reflection_says_that_a_symbol_is_unknown(shared_stubs: Stubs, package: str) -> None:
    (answer,) = await ask(
        shared_stubs, package, reflection.ServerReflectionRequest(file_containing_symbol="no.Such")
    )

    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


@pytest.mark.parametrize("package", [V1, V1ALPHA])
async def test_reflection_can_be_switched_off(settings: Settings, package: str) -> None:
    async with (
        serving(settings.model_copy(update={"reflection": False})) as service,
        stubs_of(service.address) as stubs,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(stubs, package, reflection.ServerReflectionRequest(list_services=""))
        health = health_pb2_grpc.HealthStub(stubs.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert answer.status == SERVING
