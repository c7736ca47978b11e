"""Requests over HTTP, by the standard library and beside the event loop."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

JWKS_PATH: Final = "/.well-known/jwks.json"
FREE_ADDRESS: Final = "127.0.0.1:0"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever it says
        return json.loads(self.body)


async def fetch(
    address: str,
    path: str = JWKS_PATH,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Make a request on a connection of its own."""

    def request() -> Answer:
        connection = http.client.HTTPConnection(address, timeout=10)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    return await asyncio.to_thread(request)


async def kids_at(address: str) -> list[str]:
    """Return the ids of the public keys."""
    return [key["kid"] for key in (await fetch(address)).json["keys"]]
