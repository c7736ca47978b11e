"""An OpenID Connect issuer on this machine, of libraries that are not ours.

Keys and signatures are joserfc's, HTTP is Starlette's and uvicorn's. What it serves can be changed
while it runs, and it counts what it is asked.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import uvicorn
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Key: TypeAlias = RSAKey | ECKey | OKPKey
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

METADATA: str = "/.well-known/openid-configuration"
JWKS: str = "/keys"
AUDIENCE: str = "https://api.example"


def rsa_key(kid: str, algorithm: str = "RS256", bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": kid, "alg": algorithm, "use": "sig"}, private=True)


def ec_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "alg": "ES256", "use": "sig"}, private=True)


@dataclass
class OidcIssuer:
    """The issuer; `url` is its `iss`."""

    url: str
    keys: list[Key]
    asked: Counter[str] = field(default_factory=Counter)
    """How often each path was asked for."""
    routes: dict[str, Handler] = field(default_factory=dict)
    """What to answer at a path instead of what belongs there."""
    cache_control: str | None = None
    metadata_changes: dict[str, object] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def jwks(self) -> dict[str, Any]:
        return dict(KeySet([*self.keys]).as_dict(private=False))

    def token(
        self,
        key: Key | OctKey | None = None,
        header: Mapping[str, object] | None = None,
        **changes: object,
    ) -> str:
        """Sign a token; a claim that is changed to None is left out."""
        signer = key or self.keys[0]
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ada",
            "iat": now - 5,
            "exp": now + 300,
        } | changes
        head = {"alg": signer.get("alg"), "kid": signer.kid, "typ": "at+jwt", **(header or {})}
        return jws.serialize_compact(
            {name: value for name, value in head.items() if value is not None},
            json.dumps({name: value for name, value in claims.items() if value is not None}),
            signer,
            algorithms=[str(head["alg"])],
        )

    async def serve(self, request: Request) -> Response:
        path = request.url.path
        self.asked[path] += 1
        if path in self.routes:
            return await self.routes[path](request)
        headers = {} if self.cache_control is None else {"Cache-Control": self.cache_control}
        if path == METADATA:
            metadata = {"issuer": self.url, "jwks_uri": self.url + JWKS}
            return JSONResponse(metadata | self.metadata_changes)
        return JSONResponse(self.jwks if path == JWKS else {}, headers=headers)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving_issuer(
    *keys: Key, port: int = 0, certificate: Path | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[OidcIssuer]:
    """Serve an issuer until the block ends, with TLS if there is a certificate with its key."""
    issuer = OidcIssuer("", list(keys) or [ec_key("ec-1")])
    config = uvicorn.Config(
        Starlette(routes=[Route("/{path:path}", issuer.serve)]),
        host=host,
        port=port,
        lifespan="off",
        log_config=None,
        ssl_certfile=certificate,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.01)
    actual = server.servers[0].sockets[0].getsockname()[1]
    issuer.url = f"{'http' if certificate is None else 'https'}://{host}:{actual}"
    try:
        yield issuer
    finally:
        server.should_exit = True
        await task


def trusting(authority: Path | None = None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)
