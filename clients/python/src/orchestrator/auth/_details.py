"""Reads the `google.rpc` details of an error status. Depends on protobuf only.

The messages live in a descriptor pool of this module's own, under names of their own: they have
the wire form of googleapis' `google.rpc.*` (AIP-193), yet neither need googleapis-common-protos
nor clash with it when it is installed too.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE: Final = "orchestrator_auth_client"
_STRING: Final = FieldDescriptorProto.TYPE_STRING
_BYTES: Final = FieldDescriptorProto.TYPE_BYTES
_INT32: Final = FieldDescriptorProto.TYPE_INT32
_INT64: Final = FieldDescriptorProto.TYPE_INT64

# message -> its fields as (name, number, scalar type or message name, repeated)
_MESSAGES: Final[dict[str, tuple[tuple[str, int, Any, bool], ...]]] = {
    "Any": (("type_url", 1, _STRING, False), ("value", 2, _BYTES, False)),
    "Duration": (("seconds", 1, _INT64, False), ("nanos", 2, _INT32, False)),
    "Entry": (("key", 1, _STRING, False), ("value", 2, _STRING, False)),
    "FieldViolation": (("field", 1, _STRING, False), ("description", 2, _STRING, False)),
    "Status": (
        ("code", 1, _INT32, False),
        ("message", 2, _STRING, False),
        ("details", 3, "Any", True),
    ),
    "ErrorInfo": (
        ("reason", 1, _STRING, False),
        ("domain", 2, _STRING, False),
        ("metadata", 3, "Entry", True),  # a map has the wire form of repeated entries
    ),
    "BadRequest": (("field_violations", 1, "FieldViolation", True),),
    "RetryInfo": (("retry_delay", 1, "Duration", False),),
    "RequestInfo": (("request_id", 1, _STRING, False),),
}


class FieldViolation(NamedTuple):
    """One field of a request that breaks its bounds, and how."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Details:
    """What the details of an error status say; what they do not say is empty or None."""

    domain: str = ""
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    field_violations: tuple[FieldViolation, ...] = ()
    retry_delay: timedelta | None = None
    request_id: str = ""


def parse_details(status: bytes) -> Details:
    """Read a serialized `google.rpc.Status`, as `grpc-status-details-bin` has it.

    Details of unknown types are skipped; of a type that comes twice the first counts.

    Args:
        status: The bytes. Malformed ones, whole or in part, read as saying nothing: the status
            itself must come through whatever its details are.
    """
    values: dict[str, Any] = {}
    with suppress(DecodeError):
        for detail in _CLASSES["Status"].FromString(status).details:
            name = detail.type_url.rpartition("/")[2].removeprefix("google.rpc.")
            if name in _READERS:
                with suppress(DecodeError):
                    values = _READERS[name](_CLASSES[name].FromString(detail.value)) | values
    return Details(**values)


def _error_info(message: Any) -> dict[str, Any]:  # noqa: ANN401 - a class made at run time
    metadata = {entry.key: entry.value for entry in message.metadata}
    return {"domain": message.domain, "reason": message.reason, "metadata": metadata}


def _bad_request(message: Any) -> dict[str, Any]:  # noqa: ANN401 - a class made at run time
    violations = (FieldViolation(v.field, v.description) for v in message.field_violations)
    return {"field_violations": tuple(violations)}


def _retry_info(message: Any) -> dict[str, Any]:  # noqa: ANN401 - a class made at run time
    span = message.retry_delay
    try:
        delay = timedelta(seconds=span.seconds, microseconds=span.nanos / 1000)
    except OverflowError:
        return {}
    return {"retry_delay": delay} if delay >= timedelta() else {}


def _request_info(message: Any) -> dict[str, Any]:  # noqa: ANN401 - a class made at run time
    return {"request_id": message.request_id}


_READERS: Final = {
    "ErrorInfo": _error_info,
    "BadRequest": _bad_request,
    "RetryInfo": _retry_info,
    "RequestInfo": _request_info,
}


def _message_classes() -> dict[str, Any]:
    file = FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind, repeated in fields:
            described = message.field.add(
                name=name,
                number=number,
                label=(
                    FieldDescriptorProto.LABEL_REPEATED
                    if repeated
                    else FieldDescriptorProto.LABEL_OPTIONAL
                ),
            )
            if isinstance(kind, str):
                described.type = FieldDescriptorProto.TYPE_MESSAGE
                described.type_name = f".{_PACKAGE}.{kind}"
            else:
                described.type = kind
    pool = DescriptorPool()
    pool.Add(file)
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES: Final = _message_classes()
