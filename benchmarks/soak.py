"""`python -m benchmarks.soak`: mixed load with revocations, and what is left of it in memory."""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import grpc
from rich.console import Console

from authsvc.postgres.embedded import EmbeddedPostgres
from benchmarks import machine
from benchmarks.cases import AUTHORITATIVE, caller_metadata, manager_metadata
from benchmarks.command import add_output, between, run
from benchmarks.errors import WrongAnswer
from benchmarks.model import Asked, KnownKey, Model
from benchmarks.processes import resident_bytes
from benchmarks.results import (
    Target,
    circumstances,
    section_lines,
    terminal_targets,
    write_section,
)
from benchmarks.service import USER_ID, Service, check_log, open_service, postgres_version
from orchestrator.auth.v1.auth_service_pb2 import (
    BatchValidateCredentialsRequest,
    CreateKeyRequest,
    RevokeKeyRequest,
    ValidateCredentialRequest,
    WatchRevocationsRequest,
)
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from orchestrator.auth.v1.freshness_pb2 import FreshnessRequirement

if TYPE_CHECKING:
    from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceAsyncStub

_LOOPS: Final = 8
_KEYS: Final = 5_000
_CACHE: Final = 2_000
_BATCH: Final = 50
_REVOCATION_SECONDS: Final = 0.1
_SAMPLE_SECONDS: Final = 1.0
_MAX_STALENESS_SECONDS: Final = 5.0
_TIMEOUT_SECONDS: Final = 10.0
_MIB: Final = 1024**2
# The share of the time in which caches fill and memory may grow.
_WARM_UP: Final = 0.25
# Each end of the rest is judged by the median of this share of it.
_END: Final = 0.2
# What an allocator's pages may come and go by.
_TOLERANCE: Final = 0.02

_INTRODUCTION: Final = (
    f"Written by `python -m benchmarks.soak`. {_LOOPS} loops ask without pause about good keys, "
    "revoked ones, ones that never were, and access tokens, singly, with demands for freshness, "
    f"and in batches of {_BATCH}; each tenth of a second one key is revoked and a new one made; a "
    "stream tells of every revocation. Every answer is checked against what this client knows: "
    "which keys are good, and when a revocation was acknowledged. Caches are smaller than the "
    "number of keys, so that they are full after the warm-up, a quarter of the time. Growth is "
    "from the first to the last fifth of the rest, between medians of resident memory."
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description="Load one server in every way for a while, with every answer checked.",
    )
    parser.add_argument(
        "--minutes",
        type=between(float, 0.2, 24 * 60),
        default=10.0,
        metavar="M",
        help="for how long (default 10)",
    )
    add_output(parser)
    return parser


class Soak:
    """The load, until the time is up."""

    def __init__(self, service: Service, stub: AuthServiceAsyncStub, token: str) -> None:
        """Take a service all of whose bulk keys are good."""
        self.model = Model(_MAX_STALENESS_SECONDS)
        self.calls = 0
        self.revocations = 0
        self._service = service
        self._stub = stub
        self._token = token
        self._caller = caller_metadata(service)
        self._manager = manager_metadata(service)
        self._untold: set[str] = set()
        self._told: set[str] = set()
        self._stop = asyncio.Event()
        bulk = service.bulk
        self.model.good = [KnownKey(bulk.key_id(n), bulk.secret(n)) for n in range(bulk.count)]

    async def run(self, seconds: float) -> list[float]:
        """Load for a while and return the server's resident memory in MiB, by the second.

        Raises:
            WrongAnswer: An answer was wrong, or a revocation was not told on the stream.
        """
        memory = []
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen())
            for _ in range(_LOOPS):
                group.create_task(self._keep_asking())
            group.create_task(self._keep_revoking())
            while time.monotonic() < end:
                await asyncio.sleep(_SAMPLE_SECONDS)
                memory.append(resident_bytes(self._service.server.pid) / _MIB)
            self._stop.set()
            await asyncio.sleep(_MAX_STALENESS_SECONDS)
            listening.cancel()
        if self._untold - self._told:
            raise WrongAnswer("a revocation was not told on the stream")
        return memory

    async def _listen(self) -> None:
        stream = self._stub.WatchRevocations(WatchRevocationsRequest(), metadata=self._caller)
        async for event in stream:
            if event.HasField("reset"):
                raise WrongAnswer("the stream lost events")
            if event.HasField("key_revoked"):
                self._told.add(event.key_revoked.key_id)

    async def _keep_revoking(self) -> None:
        # The stream tells from now on; let it begin.
        await asyncio.sleep(_SAMPLE_SECONDS)
        while not self._stop.is_set():
            await asyncio.sleep(_REVOCATION_SECONDS)
            key = self.model.take()
            revoked = await self._stub.RevokeKey(
                RevokeKeyRequest(key_id=key.key_id),
                timeout=_TIMEOUT_SECONDS,
                metadata=self._manager,
            )
            self.model.note_revoked(key, revoked.revision)
            self._untold.add(key.key_id)
            self.revocations += 1
            made = await self._stub.CreateKey(
                CreateKeyRequest(
                    account_id=self._service.account_id, name=f"soak {self.revocations}"
                ),
                timeout=_TIMEOUT_SECONDS,
                metadata=self._manager,
            )
            self.model.good.append(KnownKey(made.key.key_id, made.secret))
            self.calls += 2

    async def _keep_asking(self) -> None:
        while not self._stop.is_set():
            self.calls += 1
            drawn = random.random()  # noqa: S311 - a sample, no secret
            if drawn < 0.05:  # noqa: PLR2004 - a share of the load
                await self._ask_batch()
            elif drawn < 0.1:  # noqa: PLR2004 - the same
                await self._ask_token()
            else:
                await self._ask_one()

    async def _ask_one(self) -> None:
        asked, request = self._question()
        verdict = await self._stub.ValidateCredential(
            request, timeout=_TIMEOUT_SECONDS, metadata=self._caller
        )
        self.model.check(asked, verdict)

    async def _ask_batch(self) -> None:
        questions = [self._question() for _ in range(_BATCH)]
        request = BatchValidateCredentialsRequest(requests=[one for _, one in questions])
        answer = await self._stub.BatchValidateCredentials(
            request, timeout=_TIMEOUT_SECONDS, metadata=self._caller
        )
        for (asked, _), verdict in zip(questions, answer.responses, strict=True):
            self.model.check(asked, verdict)

    async def _ask_token(self) -> None:
        request = ValidateCredentialRequest(credential=self._token)
        verdict = await self._stub.ValidateCredential(
            request, timeout=_TIMEOUT_SECONDS, metadata=self._caller
        )
        if verdict.principal.user_id != USER_ID:
            raise WrongAnswer(f"a good token is denied: {verdict}")
        self.model.checked += 1

    def _question(self) -> tuple[Asked, ValidateCredentialRequest]:
        """Draw a question: mostly about good keys, a tenth each about revoked and unknown ones."""
        drawn = random.random()  # noqa: S311 - a sample, no secret
        key: KnownKey | None = random.choice(self.model.good)  # noqa: S311 - the same
        demand = None
        if drawn < 0.1:  # noqa: PLR2004 - a share of the load
            key = None
        elif drawn < 0.2 and self.model.revoked:  # noqa: PLR2004 - the same
            # The latest are those that a cache may not know of yet.
            newest = min(10, len(self.model.revoked))
            key = self.model.revoked[-random.randint(1, newest)]  # noqa: S311 - the same
            if drawn < 0.13:  # noqa: PLR2004 - the same
                demand = FreshnessRequirement(at_least_revision=key.revision)
        elif drawn < 0.25:  # noqa: PLR2004 - the same
            demand = AUTHORITATIVE
        secret = f"orch_{secrets.token_hex(20)}" if key is None else key.secret
        request = ValidateCredentialRequest(credential=f"Bearer {secret}", freshness=demand)
        return self.model.ask(key, demand), request


async def _run(arguments: argparse.Namespace, console: Console) -> None:
    seconds = arguments.minutes * 60
    console.print(f"Starting Postgres and authsvc, then loading for {arguments.minutes:g} min…")
    with tempfile.TemporaryDirectory(prefix="authsvc-bench-") as name:
        directory = Path(name)
        async with EmbeddedPostgres(directory / "data") as postgres:
            about = machine.describe(await postgres_version(postgres.url()))
            async with (
                open_service(
                    directory,
                    postgres.url(),
                    _KEYS,
                    max_staleness=_MAX_STALENESS_SECONDS,
                    cache_records=_CACHE,
                    cache_absent=_CACHE,
                ) as service,
                grpc.aio.insecure_channel(service.server.address) as channel,
            ):
                token = await service.mint_token(timedelta(seconds=seconds + 600))
                soak = Soak(service, AuthServiceStub(channel), token)
                memory = await soak.run(seconds)
        check_log(directory)
    _report(arguments, console, soak, memory, about)


def _report(
    arguments: argparse.Namespace,
    console: Console,
    soak: Soak,
    memory: Sequence[float],
    about: dict[str, str],
) -> None:
    steady = memory[round(len(memory) * _WARM_UP) :]
    end = max(1, round(len(steady) * _END))
    first, last = median(steady[:end]), median(steady[-end:])
    targets = [
        Target(
            "growth of memory after the warm-up",
            f"{last - first:+.1f} MiB of {first:.0f}",
            f"none (within {_TOLERANCE:.0%})",
            last - first <= _TOLERANCE * first,
        ),
        # A wrong verdict ends the run without figures.
        Target(f"wrong verdicts, of {soak.model.checked:,}", "0", "none", met=True),
    ]
    console.print(terminal_targets(targets))
    parameters = {
        "Minutes": f"{arguments.minutes:g}",
        "Calls": f"{soak.calls:,}",
        "Revocations": f"{soak.revocations:,}",
        "Good verdicts on revoked keys, all within what they promise": f"{soak.model.late:,}",
        "Keys, and records in memory": f"{_KEYS:,}, {_CACHE:,}",
        "Resident memory, MiB, at each tenth of the time": " ".join(
            f"{memory[(len(memory) - 1) * tenth // 10]:.0f}" for tenth in range(11)
        ),
    }
    for title, text in parameters.items():
        console.print(f"{title}: {text}", highlight=False)
    lines = section_lines(
        "Soak",
        _INTRODUCTION,
        targets,
        circumstances(parameters, about, datetime.now(UTC)),
    )
    write_section(arguments.output, "soak", lines)
    console.print(f"Written to {arguments.output.name}.")


if __name__ == "__main__":
    sys.exit(run(_parser(), _run))
