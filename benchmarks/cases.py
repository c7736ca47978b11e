"""The cases: what is called, with what, and what the answer has to be.

Depends on the generated messages of the contract, and on grpc as an ordinary client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import grpc

from benchmarks import bare_server
from benchmarks.errors import WrongAnswer
from benchmarks.processes import Server
from benchmarks.service import USER_ID, Service
from orchestrator.auth.v1.auth_service_pb2 import (
    DESCRIPTOR,
    BatchValidateCredentialsRequest,
    BatchValidateCredentialsResponse,
    ValidateCredentialRequest,
    ValidateCredentialResponse,
)
from orchestrator.auth.v1.denial_pb2 import DENIAL_REASON_KEY_NOT_FOUND
from orchestrator.auth.v1.freshness_pb2 import (
    FRESHNESS_SOURCE_CACHE,
    FRESHNESS_SOURCE_DATABASE,
    FreshnessRequirement,
)
from orchestrator.auth.v1.principal_pb2 import PRINCIPAL_KIND_API_KEY, PRINCIPAL_KIND_USER

_SERVICE: Final = DESCRIPTOR.services_by_name["AuthService"].full_name
VALIDATE: Final = f"/{_SERVICE}/ValidateCredential"
BATCH: Final = f"/{_SERVICE}/BatchValidateCredentials"
AUTHORITATIVE: Final = FreshnessRequirement(authoritative=True)

_FRAME_HEADER_BYTES: Final = 5
_TIMEOUT_SECONDS: Final = 10.0
_NANOS: Final = (0, 999_999_999)


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How much is under way at once."""

    connections: int
    streams: int
    """Calls in flight on each connection."""

    @property
    def in_flight(self) -> int:
        """Calls in flight altogether."""
        return self.connections * self.streams


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
    yardstick: str
    """The letter of the case that it is compared with."""
    server: Server
    path: str
    request: bytes = field(repr=False)
    """A serialised message."""
    metadata: tuple[tuple[str, str], ...] = field(repr=False)
    read: Callable[[bytes], AnswerSize]
    """Takes a serialised answer; raises WrongAnswer when it is not the one expected."""
    credentials: int = 1
    """How many one call judges."""
    spread: bool = False
    """Whether its load comes over many connections, so that every process gets its share."""

    @property
    def url(self) -> str:
        """Where h2load posts to."""
        return f"http://{self.server.address}{self.path}"

    @property
    def body(self) -> bytes:
        """What h2load posts."""
        return framed(self.request)

    async def verify(self) -> AnswerSize:
        """Make one call as a client, which h2load is not: it does not see gRPC's status.

        A first call warms the cache, so that the one looked at is like those under load.

        Raises:
            WrongAnswer: The call failed, or its answer is not the one expected.
        """
        async with grpc.aio.insecure_channel(self.server.address) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(self.path)
            try:
                for _ in range(2):
                    answer = await call(
                        self.request, timeout=_TIMEOUT_SECONDS, metadata=self.metadata
                    )
            except grpc.aio.AioRpcError as error:
                raise WrongAnswer(
                    f"({self.letter}) {self.title}: {error.code().name}: {error.details()}"
                ) from None
        try:
            return self.read(answer)
        except WrongAnswer as error:
            raise WrongAnswer(f"({self.letter}) {self.title}: {error}") from None


def make_cases(bare: Server, service: Service, two_workers: Server, token: str) -> list[Case]:
    """Return the cases in the order in which a round has them; yardsticks come first.

    Args:
        bare: The server with the bare handlers.
        service: The service, with 1,000 bulk keys at least.
        two_workers: A server of the same service with two workers.
        token: A good access token.
    """
    good = (service.good_key, service.key_id)
    bulk = [(service.bulk.secret(n), service.bulk.key_id(n)) for n in range(1000)]

    def validation(
        letter: str,
        title: str,
        credential: str,
        is_expected: Callable[[ValidateCredentialResponse], bool],
        *,
        yardstick: str = "a",
        server: Server = service.server,
        spread: bool = False,
        freshness: FreshnessRequirement | None = None,
    ) -> Case:
        request = ValidateCredentialRequest(
            credential=f"Bearer {credential}", freshness=freshness
        ).SerializeToString()
        return Case(
            letter=letter,
            title=title,
            yardstick=yardstick,
            server=server,
            path=VALIDATE,
            request=request,
            metadata=caller_metadata(service),
            read=lambda answer: _read_verdict(answer, is_expected),
            spread=spread,
        )

    def batch(letter: str, size: int) -> Case:
        keys = bulk[:size]
        return Case(
            letter=letter,
            title=f"batch of {size:,} good keys",
            yardstick="b",
            server=service.server,
            path=BATCH,
            request=batch_request([secret for secret, _ in keys]),
            metadata=caller_metadata(service),
            read=lambda answer: _read_batch(answer, [key_id for _, key_id in keys]),
            credentials=size,
        )

    def bare_call(letter: str, title: str, method: str, request: bytes, expected: bytes) -> Case:
        return Case(
            letter=letter,
            title=title,
            yardstick=letter,
            server=bare,
            path=f"/{bare_server.SERVICE}/{method}",
            request=request,
            metadata=(),
            read=lambda answer: _read_bytes(answer, expected),
        )

    def is_unknown(answer: ValidateCredentialResponse) -> bool:
        return answer.denial.reason == DENIAL_REASON_KEY_NOT_FOUND

    def is_the_user(answer: ValidateCredentialResponse) -> bool:
        principal = answer.principal
        return principal.kind == PRINCIPAL_KIND_USER and principal.user_id == USER_ID

    secret, key_id = good
    cached, read = is_key(key_id, FRESHNESS_SOURCE_CACHE), is_key(key_id, FRESHNESS_SOURCE_DATABASE)
    first_id, first_name = service.bulk.key_id(0), service.bulk.name(0)
    return [
        bare_call("a", "bare server, empty handler", bare_server.EMPTY, b"", b""),
        validation("b", "good key, cached", secret, cached),
        validation("c", "unknown key, cached", service.unknown_key, is_unknown),
        validation("d", "good JWT, cached", token, is_the_user),
        batch("e", 100),
        batch("f", 1000),
        bare_call(
            "g",
            "bare server, one primary-key fetch",
            bare_server.FETCH,
            first_id.encode(),
            first_name.encode(),
        ),
        validation(
            "h", "good key, read for the call", secret, read, yardstick="g", freshness=AUTHORITATIVE
        ),
        validation("i", "good key, cached, one worker", secret, cached, yardstick="i", spread=True),
        validation(
            "j",
            "good key, cached, two workers",
            secret,
            cached,
            yardstick="i",
            server=two_workers,
            spread=True,
        ),
    ]


def framed(message: bytes) -> bytes:
    """Return a serialised message behind the header of a gRPC frame, not compressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def caller_metadata(service: Service) -> tuple[tuple[str, str], ...]:
    """Return the metadata by which a caller may ask for validations."""
    return (("authorization", f"Bearer {service.caller_key}"),)


def manager_metadata(service: Service) -> tuple[tuple[str, str], ...]:
    """Return the metadata by which a caller may make and end keys."""
    return (("authorization", f"Bearer {service.manager_key}"),)


def batch_request(secrets: Sequence[str]) -> bytes:
    """Return a serialised request for a batch."""
    return BatchValidateCredentialsRequest(
        requests=[ValidateCredentialRequest(credential=f"Bearer {secret}") for secret in secrets]
    ).SerializeToString()


def is_key(key_id: str, source: int) -> Callable[[ValidateCredentialResponse], bool]:
    """Return what tells whether an answer is a principal of a key, from cache or database."""

    def is_expected(answer: ValidateCredentialResponse) -> bool:
        principal = answer.principal
        return (
            principal.kind == PRINCIPAL_KIND_API_KEY
            and principal.key_id == key_id
            and answer.freshness.source == source
        )

    return is_expected


def _read_bytes(answer: bytes, expected: bytes) -> AnswerSize:
    if answer != expected:
        raise WrongAnswer("the answer is another one")
    size = _FRAME_HEADER_BYTES + len(expected)
    return AnswerSize(size, size)


def _read_verdict(
    answer: bytes, is_expected: Callable[[ValidateCredentialResponse], bool]
) -> AnswerSize:
    verdict = ValidateCredentialResponse.FromString(answer)
    if not is_expected(verdict):
        # A principal or a denial, neither of which holds the credential.
        raise WrongAnswer(f"the answer is another one: {verdict}")
    sizes = []
    for nanos in _NANOS:
        verdict.freshness.as_of.nanos = nanos
        sizes.append(_FRAME_HEADER_BYTES + verdict.ByteSize())
    return AnswerSize(*sizes)


def _read_batch(answer: bytes, key_ids: Sequence[str]) -> AnswerSize:
    batch = BatchValidateCredentialsResponse.FromString(answer)
    if [verdict.principal.key_id for verdict in batch.responses] != key_ids:
        raise WrongAnswer("not every answer is the principal of its key")
    if any(verdict.freshness.source != FRESHNESS_SOURCE_CACHE for verdict in batch.responses):
        raise WrongAnswer("some answer is not from the cache")
    sizes = []
    for nanos in _NANOS:
        for verdict in batch.responses:
            verdict.freshness.as_of.nanos = nanos
        sizes.append(_FRAME_HEADER_BYTES + batch.ByteSize())
    return AnswerSize(*sizes)
