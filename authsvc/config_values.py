"""The forms that settings' values can have, and how they are read."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr

from authsvc.domain.database_hosts import hosts_of

ENCRYPTION_KEY_BYTES: Final = 32

Seconds = Annotated[float, Field(gt=0, le=3600)]

_STORE_SCHEMES: Final = frozenset({"redis", "rediss", "valkey", "valkeys"})
_STORE_SOCKET_SCHEMES: Final = frozenset({"redis+unix", "valkey+unix"})
_STORE_OPTIONS: Final = frozenset({"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class OutagePolicy(StrEnum):
    """What validations get while the database is away."""

    UNAVAILABLE = "unavailable"
    SERVE_STALE = "serve-stale"


class LogLevel(StrEnum):
    """The least severe log lines to write."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def check_database_url(url: SecretStr) -> SecretStr:
    """Check the address of a database; the error does not repeat it."""
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    try:
        hosts_of(url.get_secret_value())
        wanted = parse_qs(urlsplit(url.get_secret_value()).query).get("target_session_attrs", [])
    except ValueError:
        raise ValueError(
            "its hosts cannot be read: write them host1:5432,host2:5432 or, as an IPv6 address, "
            "[::1]:5432; special characters of the user and the password are percent-encoded, "
            "such as # as %23"
        ) from None
    if any(each != "read-write" for each in wanted):
        raise ValueError(
            "target_session_attrs must be read-write, which it is when left out: records and "
            "their changes are read from the primary"
        )
    return url


def check_rate_limit_store(url: SecretStr) -> SecretStr:
    """Check the address of a store of rate limits; the error does not repeat it."""
    try:
        parts = urlsplit(url.get_secret_value())
        has_place = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        if parts.scheme in _STORE_SOCKET_SCHEMES:
            well_formed = parts.hostname is None and len(parts.path) > 1
        else:
            database = parts.path.removeprefix("/")
            well_formed = has_place and (not database or database.isdecimal())
            well_formed = well_formed and parts.scheme in _STORE_SCHEMES
        well_formed = well_formed and not parts.fragment and options.keys() <= _STORE_OPTIONS
    except ValueError:
        well_formed = False
    if not well_formed:
        raise ValueError(
            "must be redis://user:password@host:port/database, where only the host is needed, or "
            "the same with rediss://, valkey:// or valkeys://, or redis+unix:///path?db=0; "
            "percent-encode special characters of the password"
        ) from None
    return url


def check_listen_address(address: str) -> str:
    """Check an address to listen on."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise ValueError("must be host:port, like 127.0.0.1:50051 or [::1]:50051")
    return address


OFF: Final = "off"
"""The value of an address that switches the server on it off."""


def check_http_address(address: str) -> str:
    """Check an address to serve HTTP on, which may be switched off."""
    if address == OFF:
        return address
    try:
        return check_listen_address(address)
    except ValueError:
        raise ValueError("must be host:port, like 127.0.0.1:50080, or off") from None


def check_encryption_key(key: SecretStr) -> SecretStr:
    """Check an encryption key; the error does not repeat it."""
    decode_encryption_key(key.get_secret_value())
    return key


def check_previous_encryption_key(key: SecretStr | None) -> SecretStr | None:
    """Check an encryption key that need not be there; the error does not repeat it."""
    return None if key is None else check_encryption_key(key)


def decode_encryption_key(text: str) -> bytes:
    """Decode an encryption key.

    Raises:
        ValueError: It is not the base64 of 32 bytes; the error does not repeat it.
    """
    try:
        key = base64.b64decode(text.strip().translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != ENCRYPTION_KEY_BYTES:
        raise ValueError(
            "must be 32 random bytes in base64; make one with: openssl rand -base64 32"
        ) from None
    return key


def is_loopback(address: str) -> bool:
    """Tell whether a listen address can be reached from this machine only."""
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
