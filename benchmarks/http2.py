"""Frames of HTTP/2 (RFC 9113), for what no library would send, or not as often.

Depends on the standard library.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES: Final = 9
"""What stands before the payload of a frame."""
MAX_FRAME_BYTES: Final = 16_384
FIRST_WINDOW: Final = 65_535
LARGEST_WINDOW: Final = 2**31 - 1

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4

INITIAL_WINDOW_SIZE: Final = 4

ERRORS: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
"""By their codes (§7)."""

_SETTING_BYTES: Final = 6


class Frame(NamedTuple):
    """A frame that has come."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def settings(self) -> dict[int, int]:
        """The values of a SETTINGS frame."""
        starts = range(0, len(self.payload), _SETTING_BYTES)
        return {
            int.from_bytes(self.payload[at : at + 2], "big"): int.from_bytes(
                self.payload[at + 2 : at + _SETTING_BYTES], "big"
            )
            for at in starts
        }

    @property
    def error_code(self) -> int:
        """Why a GOAWAY frame was sent."""
        return int.from_bytes(self.payload[4:8], "big")


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Read the next frame.

    Raises:
        IncompleteReadError: The other side has closed the connection.
    """
    head = await reader.readexactly(HEAD_BYTES)
    payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
    return Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)


def frame(
    kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0, length: int | None = None
) -> bytes:
    """Return a frame, which may claim another length than it has."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def setting(number: int, value: int) -> bytes:
    """Return one entry of a SETTINGS frame."""
    return number.to_bytes(2, "big") + value.to_bytes(4, "big")


def header_block(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return headers as HPACK that refers to nothing before it (RFC 7541 §6.2.3)."""
    return b"".join(b"\x10" + literal(name) + literal(value) for name, value in fields)


def literal(text: str) -> bytes:
    """Return a string of HPACK (RFC 7541 §5.2), not compressed."""
    raw = text.encode()
    rest = len(raw) - 127
    if rest < 0:
        return bytes([len(raw)]) + raw
    length = b"\x7f"
    while rest > 127:  # noqa: PLR2004 - seven bits to a byte
        length += bytes([rest % 128 + 128])
        rest //= 128
    return length + bytes([rest]) + raw


def call_fields(
    address: str, path: str, metadata: Iterable[tuple[str, str]] = ()
) -> list[tuple[str, str]]:
    """Return the headers of a call of gRPC."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", address),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *metadata,
    ]


def message(data: bytes, *, compressed: bool = False, length: int | None = None) -> bytes:
    """Return a message of gRPC, which may claim another length than it has."""
    size = len(data) if length is None else length
    return bytes([compressed]) + size.to_bytes(4, "big") + data


MORE_WINDOW: Final = frame(WINDOW, (LARGEST_WINDOW - FIRST_WINDOW).to_bytes(4, "big"))
"""Lets the other side send as much as it likes, on the connection as a whole."""
