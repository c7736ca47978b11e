"""Where the keys of an issuer come from: a file, an address, or what discovery names."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, Protocol

from authsvc.tokens.compact import Malformed, read_json
from authsvc.tokens.foreign.failures import KeysNotFetched
from authsvc.tokens.foreign.fetching import MAX_BYTES, Document, Fetcher

DISCOVERY_PATH: Final = "/.well-known/openid-configuration"


class KeySetSource(Protocol):
    """Where a key set comes from."""

    async def fetch(self) -> Document:
        """Return the key set as it is now.

        Raises:
            KeysNotFetched: It cannot be had.
        """
        ...


class FileSource:
    """A key set in a file, which may be replaced at any time."""

    def __init__(self, path: Path) -> None:
        """Take the file."""
        self._path = path

    async def fetch(self) -> Document:
        """Read the file."""
        try:
            return Document(await asyncio.to_thread(read_key_file, self._path))
        except OSError as error:
            raise KeysNotFetched("the file cannot be read") from error


def read_key_file(path: Path) -> bytes:
    """Read a file that is no longer than a key set may be.

    Raises:
        KeysNotFetched: It is longer.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise KeysNotFetched(f"the file is longer than {MAX_BYTES} bytes")
    return content


class AddressSource:
    """A key set at an address."""

    def __init__(self, fetcher: Fetcher, url: str) -> None:
        """Take the address."""
        self._fetcher = fetcher
        self._url = url

    async def fetch(self) -> Document:
        """Fetch the key set."""
        return await self._fetcher.fetch(self._url)


class DiscoverySource:
    """A key set at the address in the issuer's own metadata (OpenID Connect Discovery 1.0)."""

    def __init__(self, fetcher: Fetcher, issuer: str) -> None:
        """Take the issuer."""
        self._fetcher = fetcher
        self._issuer = issuer

    async def fetch(self) -> Document:
        """Fetch the metadata, anew each time for the address may change, and then the key set."""
        document = await self._fetcher.fetch(self._issuer.rstrip("/") + DISCOVERY_PATH)
        try:
            metadata = read_json(document.body)
        except Malformed:
            raise KeysNotFetched("the metadata is not a JSON object with unique members") from None
        # Section 4.3: else one issuer could pass for another.
        if metadata.get("issuer") != self._issuer:
            raise KeysNotFetched("the metadata is of another issuer")
        url = metadata.get("jwks_uri")
        if not isinstance(url, str):
            raise KeysNotFetched("the metadata names no jwks_uri")
        return await self._fetcher.fetch(url)
