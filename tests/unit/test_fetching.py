"""Documents of other issuers: fetched within bounds, and from nowhere else."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import trustme
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from authsvc.tokens.foreign.addresses import is_allowed, resolve
from authsvc.tokens.foreign.failures import KeysNotFetched
from authsvc.tokens.foreign.fetching import MAX_BYTES, Fetcher
from authsvc.tokens.foreign.sources import DiscoverySource, FileSource
from tests.issuing import JWKS, METADATA, OidcIssuer, serving_issuer, trusting


@pytest_asyncio.fixture(loop_scope="session")
async def issuer() -> AsyncIterator[OidcIssuer]:
    async with serving_issuer() as served:
        yield served


@pytest.fixture
def local() -> Fetcher:
    """A fetcher that asks this machine."""
    return Fetcher(trusting(), allow_loopback=True)


async def problem(fetch: Awaitable[object]) -> str:
    with pytest.raises(KeysNotFetched) as caught:
        await fetch
    return str(caught.value)


async def test_a_document_is_fetched_with_its_age(issuer: OidcIssuer, local: Fetcher) -> None:
    issuer.cache_control = "public, max-age=120, must-revalidate"

    document = await local.fetch(f"{issuer.url}{JWKS}?a=1")

    assert b'"keys"' in document.body
    assert document.max_age == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("control", "age"),
    [
        (None, None),
        ("private", None),
        ("max-age=abc", None),
        ("s-maxage=9", None),
        ("Max-Age=7", timedelta(seconds=7)),
        ("max-age=60, no-cache", timedelta(0)),
        ("no-store", timedelta(0)),
    ],
)
async def test_the_age_is_what_cache_control_says(
    issuer: OidcIssuer, local: Fetcher, control: str | None, age: timedelta | None
) -> None:
    issuer.cache_control = control

    assert (await local.fetch(issuer.url + JWKS)).max_age == age


def answering(response: Response) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        return response

    return answer


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 1024):
        yield b" " * 1024


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (lambda: RedirectResponse(JWKS + "2"), "the answer has the status 307, and not 200"),
        (lambda: Response(status_code=404), "the answer has the status 404, and not 200"),
        (lambda: Response(status_code=204), "the answer has the status 204, and not 200"),
        (lambda: Response(b" " * (MAX_BYTES + 1)), "the answer is longer than 262144 bytes"),
        (
            lambda: StreamingResponse(chunks(MAX_BYTES + 1024)),
            "the answer is longer than 262144 bytes",
        ),
        (
            lambda: Response(gzip.compress(b" " * 1000), headers={"Content-Encoding": "gzip"}),
            "the answer is encoded, which was not asked for",
        ),
    ],
    ids=["redirect", "404", "204", "long", "long in chunks", "compressed"],
)
async def test_an_answer_out_of_bounds_is_refused(
    issuer: OidcIssuer, local: Fetcher, response: Callable[[], Response], expected: str
) -> None:
    issuer.routes[JWKS] = answering(response())

    assert await problem(local.fetch(issuer.url + JWKS)) == expected
    assert issuer.asked == {JWKS: 1}


async def test_the_longest_answer_is_read(issuer: OidcIssuer, local: Fetcher) -> None:
    issuer.routes[JWKS] = answering(StreamingResponse(chunks(MAX_BYTES)))

    assert len((await local.fetch(issuer.url + JWKS)).body) == MAX_BYTES


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"],
    ids=["nothing", "no HTTP", "cut short"],
)
async def test_what_is_no_whole_answer_is_refused(local: Fetcher, answer: bytes) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

        assert await problem(local.fetch(url)) == "the answer is cut short or is no HTTP"


async def test_a_head_without_end_is_refused(local: Fetcher) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

        assert await problem(local.fetch(url)) == "the answer is cut short or is no HTTP"


async def test_nobody_there_is_a_failure(local: Fetcher, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/"

    assert await problem(local.fetch(url)) == "the host takes no connection"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://id.example/", "the address is no https URL"),
        ("file:///etc/passwd", "the address is no https URL"),
        ("https:///keys", "the address is no https URL"),
        ("https://user@id.example/", "the address is no https URL"),
        ("https://id.example:0/", "the address is no https URL"),
        ("https://id.example:99999/", "the address is no URL"),
        ("https://id.example/a b", "the address has characters that a URL cannot have"),
        ("https://id.example/\r\nX: y", "the address has characters that a URL cannot have"),
        ("https://127.0.0.1/", "the host has an address that may not be asked"),
        ("https://[::1]/", "the host has an address that may not be asked"),
        ("https://localhost/", "the host has an address that may not be asked"),
        ("https://169.254.169.254/", "the host has an address that may not be asked"),
        (f"https://{'a' * 64}.example/", "the name of the host has no address"),
        ("https://2130706433/", "the host has an address that may not be asked"),
    ],
)
async def test_only_public_addresses_are_asked(url: str, expected: str) -> None:
    fetcher = Fetcher(trusting(), allow_loopback=False)

    assert await problem(fetcher.fetch(url)) == expected


@pytest.mark.parametrize(
    "inside",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
        "2001:db8::1",
        "no address",
    ],
)
def test_the_inside_is_not_asked(inside: str) -> None:
    assert not is_allowed(inside, allow_loopback=False)


@pytest.mark.parametrize("outside", ["8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8"])
def test_the_public_is_asked_unless_only_this_machine_is(outside: str) -> None:
    assert is_allowed(outside, allow_loopback=False)
    assert not is_allowed(outside, allow_loopback=True)


@given(st.ip_addresses())
def test_no_address_is_allowed_both_ways(address: object) -> None:
    here, outside = (is_allowed(str(address), allow_loopback=allow) for allow in (True, False))

    assert not (here and outside)


async def test_one_bad_address_of_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two(*_args: object, **_kwargs: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", ("8.8.8.8", 443)), (0, 0, 0, "", ("10.0.0.1", 443))]

    loop = asyncio.get_running_loop()

    class Loop:
        getaddrinfo = staticmethod(two)

    monkeypatch.setattr(asyncio, "get_running_loop", Loop)
    failure = problem(resolve("id.example", 443, allow_loopback=False))
    text = await failure
    monkeypatch.undo()

    assert asyncio.get_running_loop() is loop
    assert text == "the host has an address that may not be asked"


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return ca


@pytest.mark.parametrize(
    ("name", "trusted", "expected"),
    [
        ("127.0.0.1", "ca.pem", ""),
        ("127.0.0.1", None, "TLS failed"),
        ("id.example", "ca.pem", "TLS failed"),
    ],
    ids=["good", "unknown authority", "another name"],
)
async def test_certificate_and_name_are_checked(
    tmp_path: Path, authority: trustme.CA, name: str, trusted: str | None, expected: str
) -> None:
    authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(tmp_path / "c.pem")
    fetcher = Fetcher(trusting(tmp_path / trusted if trusted else None), allow_loopback=True)

    async with serving_issuer(certificate=tmp_path / "c.pem") as served:
        if expected:
            assert await problem(fetcher.fetch(served.url + JWKS)) == expected
            assert not served.asked
        else:
            assert b'"keys"' in (await fetcher.fetch(served.url + JWKS)).body


async def test_discovery_leads_to_the_key_set(issuer: OidcIssuer, local: Fetcher) -> None:
    document = await DiscoverySource(local, issuer.url).fetch()

    assert b'"keys"' in document.body
    assert issuer.asked == {METADATA: 1, JWKS: 1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"issuer": "https://other.example"}, "the metadata is of another issuer"),
        ({"issuer": None}, "the metadata is of another issuer"),
        ({"jwks_uri": None}, "the metadata names no jwks_uri"),
        ({"jwks_uri": "file:///etc/passwd"}, "the address is no https URL"),
        (
            {"jwks_uri": "http://169.254.169.254/keys"},
            "the host has an address that may not be asked",
        ),
    ],
)
async def test_metadata_that_leads_astray_is_refused(
    issuer: OidcIssuer, local: Fetcher, changes: dict[str, object], expected: str
) -> None:
    issuer.metadata_changes = changes

    assert await problem(DiscoverySource(local, issuer.url).fetch()) == expected
    assert issuer.asked == {METADATA: 1}


async def test_metadata_that_is_no_object_is_refused(issuer: OidcIssuer, local: Fetcher) -> None:
    issuer.routes[METADATA] = answering(Response(b'{"issuer": 1, "issuer": 2}'))

    expected = "the metadata is not a JSON object with unique members"
    assert await problem(DiscoverySource(local, issuer.url).fetch()) == expected


async def test_a_file_is_read_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    source = FileSource(path)
    assert await problem(source.fetch()) == "the file cannot be read"

    path.write_bytes(b"{}")
    assert (await source.fetch()).body == b"{}"

    path.write_bytes(b" " * (MAX_BYTES + 1))
    assert await problem(source.fetch()) == "the file is longer than 262144 bytes"
