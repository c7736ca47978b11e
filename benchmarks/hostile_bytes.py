"""What a hostile or broken client may write to a gRPC port: bytes, made from a seed.

Depends on `benchmarks.http2`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Final

from benchmarks.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_BYTES,
    PING,
    PREFACE,
    PRIORITY,
    PUSH,
    RESET,
    SETTINGS,
    WINDOW,
    call_fields,
    frame,
    header_block,
    literal,
    message,
    setting,
)

Payload = Callable[[Random], bytes]

_KIB: Final = 1024
_BEGIN: Final = PREFACE + frame(SETTINGS)
_PATH: Final = "/orchestrator.auth.v1.AuthService/ValidateCredential"
_BLOCK: Final = header_block(call_fields("localhost", _PATH))
_HEADERS: Final = frame(HEADERS, _BLOCK, flags=END_HEADERS, stream=1)
# A whole call without a credential.
_CALL: Final = _HEADERS + frame(DATA, message(b""), flags=END_STREAM, stream=1)
_WRONG_LENGTHS: Final = (
    frame(SETTINGS, bytes(5)),
    frame(SETTINGS, bytes(6), flags=1),
    frame(PING, bytes(7)),
    frame(WINDOW, bytes(3)),
    frame(WINDOW, bytes(4)),
    frame(RESET, bytes(3), stream=1),
    frame(PRIORITY, bytes(4), stream=1),
    frame(GOAWAY, bytes(7)),
    frame(PUSH, bytes(4), stream=1),
    frame(DATA, bytes(MAX_FRAME_BYTES), length=2**24 - 1, stream=1),
    frame(HEADERS, _BLOCK, length=2**24 - 1, flags=END_HEADERS, stream=1),
    # Padding longer than the frame.
    _HEADERS + frame(DATA, b"\xff" + bytes(10), flags=8, stream=1),
    # A message of gRPC that is longer than its frames, and one longer than any may be.
    _HEADERS + frame(DATA, message(b"x", length=100), flags=END_STREAM, stream=1),
    _HEADERS + frame(DATA, message(b"x", length=2**32 - 1), stream=1),
)
_HPACK: Final = (
    b"\x80",  # index 0
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # an index without end
    b"\xfe",  # an index that is in no table
    b"\x3f\xff\xff\xff\x7f",  # a table of many megabytes
    b"\x10\x7f\xff\xff\xff\xff\x0f",  # a name of gigabytes
    b"\x10\x84\xff\xff\xff\xff",  # nothing but Huffman's end of string
    b"\x10" + literal("UPPER") + literal("x"),
    b"\x10" + literal("") + literal("x"),
    b"\x10" + literal("a\r\nb") + literal("x\r\n\r\ny"),
    _BLOCK + _BLOCK,  # every pseudo-header twice
    _BLOCK[: len(_BLOCK) // 2],
)
_CLIENT_HELLO: Final = bytes.fromhex("16030100d0010000cc0303") + bytes(range(203))
_UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
)


def _random_bytes(random: Random) -> bytes:
    return random.randbytes(random.randint(1, 4 * _KIB))


def _random_frames(random: Random) -> bytes:
    frames = [
        frame(
            random.randrange(12),
            random.randbytes(random.choice((0, 1, 4, 5, 6, 8, 100, _KIB))),
            flags=random.randrange(256),
            stream=random.choice((0, 1, 2, 3, 2**31 - 1, random.getrandbits(32))),
        )
        for _ in range(50)
    ]
    return _BEGIN + b"".join(frames)


def _flipped(random: Random) -> bytes:
    data = bytearray(_BEGIN + _CALL)
    for _ in range(random.randint(1, 5)):
        data[random.randrange(len(PREFACE), len(data))] = random.randrange(256)
    return bytes(data)


def _hpack(random: Random) -> bytes:
    block = random.choice((*_HPACK, random.randbytes(random.randint(1, 500))))
    return _BEGIN + frame(HEADERS, block, flags=END_HEADERS | END_STREAM, stream=1)


def _continuation(random: Random) -> bytes:
    """Return headers that never end: CVE-2024-27316."""
    more = frame(CONTINUATION, header_block([("x", random.randbytes(500).hex())]), stream=1)
    return _BEGIN + frame(HEADERS, _BLOCK, stream=1) + more * 10_000


def _rapid_resets(_: Random) -> bytes:
    """Return calls that are taken back at once: CVE-2023-44487."""
    calls = [
        frame(HEADERS, _BLOCK, flags=END_HEADERS, stream=stream)
        + frame(RESET, (8).to_bytes(4, "big"), stream=stream)
        for stream in range(1, 20_001, 2)
    ]
    return _BEGIN + b"".join(calls)


def _settings(random: Random) -> bytes:
    entry = setting(INITIAL_WINDOW_SIZE, random.randrange(2**31))
    return _BEGIN + frame(SETTINGS, entry) * 50_000


def http_garbage(random: Random) -> bytes:
    """Return what an HTTP/1.1 server must not choke on."""
    return random.choice(
        (
            random.randbytes(random.randint(1, 4 * _KIB)),
            PREFACE + frame(SETTINGS),
            b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 2**20 + b"\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
            b"GET /" + b"x" * 2**20 + b" HTTP/1.1\r\n\r\n",
            b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nx",
            b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"GET /livez HTTP/9.9\r\n\r\n",
            b"GET /%ff%00 HTTP/1.1\r\nHost: \x00\r\n\r\n",
        )
    )


SLOW_CALL: Final = (_BEGIN + _CALL, len(_BEGIN))
"""A whole call, and how much of it is said at once: the greeting."""
SLOW_REQUEST: Final = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"y" * 100

CLOSED_SOON: Final[Mapping[str, Payload]] = MappingProxyType(
    {
        "random bytes": _random_bytes,
        "HTTP/2, then random bytes": lambda r: _BEGIN + _random_bytes(r),
        "HTTP/1.1 that asks for HTTP/2": lambda _: _UPGRADE,
        "TLS where there is none": lambda _: _CLIENT_HELLO,
        "random frames": _random_frames,
        "a call with flipped bytes": _flipped,
        "a call that breaks off": lambda r: (_BEGIN + _CALL)[: r.randrange(1, len(_CALL))],
        "frames of a wrong length": lambda r: _BEGIN + r.choice(_WRONG_LENGTHS),
        "broken HPACK": _hpack,
    }
)
"""What is small, by what it is. Each is the whole of what one connection says before it ends."""

FLOODS: Final[Mapping[str, Payload]] = MappingProxyType(
    {
        "headers without end (10,000 CONTINUATION frames)": _continuation,
        "10,000 calls taken back at once (rapid reset)": _rapid_resets,
        "50,000 SETTINGS frames": _settings,
        "50,000 PING frames": lambda _: _BEGIN + frame(PING, bytes(8)) * 50_000,
        "50,000 RST_STREAM frames": lambda _: (
            _BEGIN + _CALL + frame(RESET, bytes(4), stream=1) * 50_000
        ),
        "50,000 empty DATA frames": lambda _: (
            _BEGIN + _HEADERS + frame(DATA, b"", stream=1) * 50_000
        ),
    }
)
"""What is many, by what it is: the whole of what one connection says."""
