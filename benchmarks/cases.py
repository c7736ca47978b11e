"""The cases: what is called, with what, and what the answer has to be.

Depends on the generated messages of the contract, and on grpc as an ordinary client.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import grpc

from benchmarks import bare_server
from benchmarks.errors import WrongAnswer
from benchmarks.processes import Server
from benchmarks.service import Service
from orchestrator.auth.v1.auth_service_pb2 import (
    DESCRIPTOR,
    ValidateCredentialRequest,
    ValidateCredentialResponse,
)
from orchestrator.auth.v1.denial_pb2 import DENIAL_REASON_KEY_NOT_FOUND
from orchestrator.auth.v1.principal_pb2 import PRINCIPAL_KIND_API_KEY, PRINCIPAL_KIND_USER

_VALIDATE: Final = f"/{DESCRIPTOR.services_by_name['AuthService'].full_name}/ValidateCredential"
_FRAME_HEADER_BYTES: Final = 5
_TIMEOUT_SECONDS: Final = 10.0


class AnswerSize(NamedTuple):
    """The least and the most bytes that the answers to a case have in DATA frames.

    Answers differ in their times only. A call that ends in an error status has no such bytes.
    """

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of call under load."""

    letter: str
    title: str
    server: Server
    path: str
    request: bytes = field(repr=False)
    """A serialised message."""
    metadata: tuple[tuple[str, str], ...] = field(repr=False)
    read: Callable[[bytes], AnswerSize]
    """Takes a serialised answer; raises WrongAnswer when it is not the one expected."""

    @property
    def url(self) -> str:
        """Where h2load posts to."""
        return f"http://{self.server.address}{self.path}"

    @property
    def body(self) -> bytes:
        """What h2load posts: the request behind the header of a gRPC frame, not compressed."""
        return b"\0" + len(self.request).to_bytes(4, "big") + self.request

    async def verify(self) -> AnswerSize:
        """Make one call as a client, which h2load is not: it does not see gRPC's status.

        Raises:
            WrongAnswer: The call failed, or its answer is not the one expected.
        """
        async with grpc.aio.insecure_channel(self.server.address) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(self.path)
            try:
                answer = await call(self.request, timeout=_TIMEOUT_SECONDS, metadata=self.metadata)
            except grpc.aio.AioRpcError as error:
                raise WrongAnswer(
                    f"({self.letter}) {self.title}: {error.code().name}: {error.details()}"
                ) from None
        try:
            return self.read(answer)
        except WrongAnswer as error:
            raise WrongAnswer(f"({self.letter}) {self.title}: {error}") from None


def make_cases(bare: Server, service: Service) -> list[Case]:
    """Return the cases in the order in which a round has them; the first is the yardstick."""
    metadata = (("authorization", f"Bearer {service.caller_key}"),)

    def validation(
        letter: str, title: str, credential: str, is_expected: Callable[..., bool]
    ) -> Case:
        request = ValidateCredentialRequest(credential=f"Bearer {credential}")
        return Case(
            letter,
            title,
            service.server,
            _VALIDATE,
            request.SerializeToString(),
            metadata,
            lambda answer: _read_verdict(answer, is_expected),
        )

    def is_the_key(answer: ValidateCredentialResponse) -> bool:
        principal = answer.principal
        return principal.kind == PRINCIPAL_KIND_API_KEY and principal.key_id == service.key_id

    def is_unknown(answer: ValidateCredentialResponse) -> bool:
        return answer.denial.reason == DENIAL_REASON_KEY_NOT_FOUND

    def is_the_user(answer: ValidateCredentialResponse) -> bool:
        principal = answer.principal
        return principal.kind == PRINCIPAL_KIND_USER and principal.user_id == service.user_id

    return [
        Case(
            "a",
            "empty handler",
            bare,
            f"/{bare_server.SERVICE}/{bare_server.METHOD}",
            b"",
            (),
            _read_empty,
        ),
        validation("b", "good key", service.good_key, is_the_key),
        validation("c", "unknown key", service.unknown_key, is_unknown),
        validation("d", "good JWT", service.good_token, is_the_user),
    ]


def _read_empty(answer: bytes) -> AnswerSize:
    if answer:
        raise WrongAnswer("the answer is not empty")
    return AnswerSize(_FRAME_HEADER_BYTES, _FRAME_HEADER_BYTES)


def _read_verdict(
    answer: bytes, is_expected: Callable[[ValidateCredentialResponse], bool]
) -> AnswerSize:
    verdict = ValidateCredentialResponse.FromString(answer)
    if not is_expected(verdict):
        # A principal or a denial, neither of which holds the credential.
        raise WrongAnswer(f"the answer is another one: {verdict}")
    sizes = []
    for nanos in (0, 999_999_999):
        verdict.freshness.as_of.nanos = nanos
        sizes.append(_FRAME_HEADER_BYTES + verdict.ByteSize())
    return AnswerSize(*sizes)
