"""gRPC server reflection, v1 and v1alpha.

grpcio-reflection ships v1alpha only. The two differ in the package name alone (gRPC proposal
A15 and grpc/grpc-proto), so v1 is v1alpha's descriptor under the other name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

_ALPHA_PACKAGE: Final = "grpc.reflection.v1alpha"
_PACKAGE: Final = "grpc.reflection.v1"
SERVICE_NAME: Final = f"{_PACKAGE}.ServerReflection"
ALPHA_SERVICE_NAME: Final = reflection.SERVICE_NAME


def add_reflection(server: grpc.aio.Server, service_names: Iterable[str]) -> None:
    """Serve reflection of the named services, and of reflection itself."""
    _register_descriptor()
    names = (*service_names, SERVICE_NAME, ALPHA_SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names, pool=_PoolWithMethods())
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_registered_method_handlers(SERVICE_NAME, {"ServerReflectionInfo": handler})


class _PoolWithMethods:
    """The descriptor pool, which by itself does not find the file of a method (upb's gap).

    `grpcurl describe orchestrator.auth.v1.AuthService.CreateKey` asks for one.
    """

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - the pool's name
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            found = self._pool.FindServiceByName(service)
            if method not in found.methods_by_name:
                raise
            return found.file

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the rest of the pool
        return getattr(self._pool, name)


def _register_descriptor() -> None:
    """Make v1 known to the descriptor pool, so that it can itself be described."""
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name = file.name.replace("v1alpha", "v1")
    file.package = _PACKAGE
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(_ALPHA_PACKAGE, _PACKAGE)
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(_ALPHA_PACKAGE, _PACKAGE)
        method.output_type = method.output_type.replace(_ALPHA_PACKAGE, _PACKAGE)
    descriptor_pool.Default().Add(file)
