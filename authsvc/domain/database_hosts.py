"""The hosts that the URL of a database names, as libpq writes them."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

_DEFAULT_PORT: Final = 5432


def hosts_of(url: str) -> list[tuple[str, int]]:
    """Return the hosts of a URL with their ports, in order; none when it names none.

    Raises:
        ValueError: Hosts or ports make no sense. The error may repeat them.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    named = unquote(parts.netloc.rpartition("@")[2]) or query.get("host", [""])[-1]
    if not named:
        return []
    split = [_split_port(host) for host in named.split(",")]
    ports = [int(port) for port in query.get("port", [""])[-1].split(",") if port]
    if len(ports) not in {0, 1, len(split)}:
        raise ValueError("as many ports as hosts, or one")
    defaults = ports * len(split) if len(ports) == 1 else ports or [_DEFAULT_PORT] * len(split)
    return [(host, port or default) for (host, port), default in zip(split, defaults, strict=True)]


def _split_port(text: str) -> tuple[str, int | None]:
    if text.startswith("/"):
        return text, None
    if text.startswith("["):
        host, _, port = text.removeprefix("[").partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    if not host:
        raise ValueError("a host is empty")
    return host, int(port) if port else None
