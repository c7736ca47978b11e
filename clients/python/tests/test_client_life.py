"""The life of a client: how it closes, and who may share it."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import threading
from concurrent import futures
from typing import Any

import pytest

from orchestrator.auth import (
    AsyncAuthClient,
    AuthClient,
    ConfigurationError,
)


async def test_a_closed_client_says_so(client: Any) -> None:
    await client.validate("x")

    await client.close()
    await client.close()

    with pytest.raises(ConfigurationError, match="closed"):
        await client.validate("x")


async def test_a_client_that_never_called_can_be_closed(client: Any) -> None:
    await client.close()


def test_the_sync_client_closes_at_the_end_of_its_block(server: Any) -> None:
    with AuthClient(server.target, api_key="k", plaintext=True) as client:
        client.validate("x")

    with pytest.raises(ConfigurationError, match="closed"):
        client.validate("x")


async def test_the_async_client_closes_at_the_end_of_its_block(server: Any) -> None:
    async with AsyncAuthClient(server.target, api_key="k", plaintext=True) as client:
        await client.validate("x")

    with pytest.raises(ConfigurationError, match="closed"):
        await client.validate("x")


def test_the_sync_client_is_shared_by_threads(server: Any) -> None:
    together = threading.Barrier(8)

    with AuthClient(server.target, api_key="k", plaintext=True) as client:

        def validate(_: int) -> str:
            together.wait()
            return client.validate("x").account_id

        with futures.ThreadPoolExecutor(8) as pool:
            assert set(pool.map(validate, range(8))) == {"acct_1"}


async def test_the_async_client_is_shared_by_tasks(server: Any) -> None:
    async with AsyncAuthClient(server.target, api_key="k", plaintext=True) as client:
        principals = await asyncio.gather(*(client.validate("x") for _ in range(50)))

    assert len(principals) == 50


async def test_a_cancelled_call_stays_a_cancellation(server: Any, answers: Any) -> None:
    server.script("ValidateCredential", answers.Slow(0.5))

    async with AsyncAuthClient(server.target, api_key="k", plaintext=True) as client:
        task = asyncio.create_task(client.validate("x"))
        await asyncio.sleep(0.1)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


def test_the_async_client_can_be_made_before_its_loop_but_serves_one_only(server: Any) -> None:
    client = AsyncAuthClient(server.target, api_key="k", plaintext=True)
    with asyncio.Runner() as first:
        assert first.run(client.validate("x"))

        with asyncio.Runner() as second, pytest.raises(ConfigurationError, match="event loop"):
            second.run(client.validate("x"))

        first.run(client.close())
