"""One document over HTTPS, within bounds: no redirect, no proxy, no cookie, no second address.

HTTP/1.1 by h11, which reads and writes but never connects: so the address that is connected to is
the one that was checked, while the certificate is still checked for the name (RFC 9525).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import SplitResult, urlsplit

import h11

from authsvc.tokens.foreign.addresses import resolve
from authsvc.tokens.foreign.failures import KeysNotFetched
from authsvc.version import VERSION

MAX_BYTES: Final = 256 * 1024
"""The longest document that is read."""

_MAX_HEAD_BYTES: Final = 16 * 1024
_CHUNK: Final = 64 * 1024
_OK: Final = 200
# Of several addresses one may be a black hole; the others are to have their turn.
_CONNECT_SECONDS: Final = 1.0
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Document:
    """What was fetched."""

    body: bytes
    max_age: timedelta | None = None
    """How long it may be kept, as the sender says; None where it does not say."""


class Fetcher:
    """Fetches documents of one issuer."""

    def __init__(self, tls: ssl.SSLContext, *, allow_loopback: bool) -> None:
        """Take whom to trust.

        Args:
            tls: Checks certificates and names.
            allow_loopback: Whether to ask this machine, also without TLS, and nobody else. For
                development.
        """
        self._tls = tls
        self._allow_loopback = allow_loopback

    async def fetch(self, url: str) -> Document:
        """Fetch a document. The caller limits the time.

        Raises:
            KeysNotFetched: There is none, or not within the bounds.
        """
        target = self._target(url)
        host, secure = target.hostname or "", target.scheme == "https"
        port = target.port or (443 if secure else 80)
        addresses = await resolve(host, port, allow_loopback=self._allow_loopback)
        tls, name = (self._tls, host) if secure else (None, None)
        reader, writer = await _connect(addresses, port, tls, name)
        try:
            connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
            writer.write(_request(connection, target))
            return await _read_response(connection, reader)
        except (OSError, h11.RemoteProtocolError) as error:
            raise KeysNotFetched("the answer is cut short or is no HTTP") from error
        finally:
            # Without the end of TLS, which a sender could draw out.
            writer.transport.abort()

    def _target(self, url: str) -> SplitResult:
        """Check what a document of the issuer's own may have named."""
        try:
            target = urlsplit(url)
            is_fit = target.port != 0 and target.username is None
        except ValueError:
            raise KeysNotFetched("the address is no URL") from None
        schemes = {"https", "http"} if self._allow_loopback else {"https"}
        if target.scheme not in schemes or not target.hostname or not is_fit:
            raise KeysNotFetched("the address is no https URL")
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise KeysNotFetched("the address has characters that a URL cannot have")
        return target


async def _connect(
    addresses: Sequence[str], port: int, tls: ssl.SSLContext | None, name: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first of the addresses that takes a connection."""
    cause: OSError | None = None
    for address in addresses:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await asyncio.open_connection(address, port, ssl=tls, server_hostname=name)
        except ssl.SSLError as error:
            raise KeysNotFetched("TLS failed") from error
        except OSError as error:  # TimeoutError is one
            cause = error
    raise KeysNotFetched("the host takes no connection") from cause


def _request(connection: h11.Connection, target: SplitResult) -> bytes:
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    request = h11.Request(
        method="GET",
        target=path,
        headers=[
            ("Host", target.netloc),
            ("User-Agent", f"authsvc/{VERSION}"),
            ("Accept", "application/json, application/jwk-set+json"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ],
    )
    return (connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b"")


async def _read_response(connection: h11.Connection, reader: asyncio.StreamReader) -> Document:
    body = bytearray()
    max_age: timedelta | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            max_age = _read_head(event)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BYTES:
                raise KeysNotFetched(f"the answer is longer than {MAX_BYTES} bytes")
        elif isinstance(event, h11.EndOfMessage):
            return Document(bytes(body), max_age)
        elif not isinstance(event, h11.InformationalResponse):
            raise KeysNotFetched("the answer is cut short or is no HTTP")


def _read_head(response: h11.Response) -> timedelta | None:
    """Check a response before its body, and return for how long it may be kept."""
    if response.status_code != _OK:
        raise KeysNotFetched(f"the answer has the status {response.status_code}, and not 200")
    headers = {name: value.decode("latin-1") for name, value in response.headers}
    if headers.get(b"content-encoding", "identity") != "identity":
        raise KeysNotFetched("the answer is encoded, which was not asked for")
    length = headers.get(b"content-length", "0")
    if int(length) > MAX_BYTES:
        raise KeysNotFetched(f"the answer is longer than {MAX_BYTES} bytes")
    control = headers.get(b"cache-control", "")
    if "no-store" in control.lower() or "no-cache" in control.lower():
        return timedelta(0)
    found = _MAX_AGE.search(control)
    return None if found is None else timedelta(seconds=int(found[1]))
