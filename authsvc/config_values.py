"""The forms that settings' values can have, and how they are read."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from enum import StrEnum
from typing import Final

from pydantic import SecretStr

ENCRYPTION_KEY_BYTES: Final = 32


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
    return url


def check_listen_address(address: str) -> str:
    """Check an address to listen on."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise ValueError("must be host:port, like 127.0.0.1:50051 or [::1]:50051")
    return address


def check_encryption_key(key: SecretStr) -> SecretStr:
    """Check an encryption key; the error does not repeat it."""
    decode_encryption_key(key.get_secret_value())
    return key


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
