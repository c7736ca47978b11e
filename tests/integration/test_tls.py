"""TLS: who is let in, who is not, and what is said of files that cannot be used."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
import structlog
import trustme

from authsvc import app
from authsvc.cli.failures import explain
from authsvc.config import InvalidSettings, Settings
from authsvc.rpc.certificate_files import SERVER
from authsvc.rpc.tls import ServerTls
from orchestrator.auth import AsyncAuthClient, Unavailable
from tests.conftest import Service, serving, settings_for
from tests.integration.support import stubs_of, until
from tests.support_certificates import chain_of


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def encrypted(settings: Settings, authority: trustme.CA, tmp_path: Path) -> Settings:
    """Settings with a certificate for 127.0.0.1."""
    files = {"tls_certificate_file": tmp_path / "chain.pem", "tls_key_file": tmp_path / "key.pem"}
    encrypted = settings.model_copy(update=files)
    write_pair(encrypted, authority.issue_cert("127.0.0.1"))
    return encrypted


@pytest_asyncio.fixture(loop_scope="session")
async def tls_service(encrypted: Settings) -> AsyncIterator[Service]:
    async with serving(encrypted) as served:
        yield served


def write_pair(settings: Settings, issued: trustme.LeafCert, *, key: bool = True) -> None:
    assert settings.tls_certificate_file is not None
    assert settings.tls_key_file is not None
    settings.tls_certificate_file.write_bytes(chain_of(issued))
    if key:
        settings.tls_key_file.write_bytes(issued.private_key_pem.bytes())


def shake_hands(
    address: str, authority: trustme.CA, version: ssl.TLSVersion | None = None
) -> tuple[bytes | None, str | None]:
    """Return the certificate that a new connection gets, and the protocol agreed on."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    if version is not None:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True), encrypted.selected_alpn_protocol()


def der_of(issued: trustme.LeafCert) -> bytes:
    return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


async def test_a_replaced_certificate_meets_the_next_handshake(
    tls_service: Service, encrypted: Settings, authority: trustme.CA
) -> None:
    issued = authority.issue_cert("127.0.0.1")
    async with client_of(tls_service, trusted=authority) as client:
        await client.validate(tls_service.admin_key)
        write_pair(encrypted, issued)

        async with asyncio.timeout(30):
            while True:
                met, _ = await asyncio.to_thread(shake_hands, tls_service.address, authority)
                if met == der_of(issued):
                    break
                await asyncio.sleep(0.05)

        # The connection from before goes on.
        await client.validate(tls_service.admin_key)


def tls_of(settings: Settings, clock: Callable[[], datetime] = app.utc_now) -> ServerTls:
    assert settings.tls_certificate_file is not None
    assert settings.tls_key_file is not None
    return ServerTls(settings.tls_certificate_file, settings.tls_key_file, clock=clock)


def test_a_certificate_without_its_key_is_not_taken(
    encrypted: Settings, authority: trustme.CA
) -> None:
    tls = tls_of(encrypted)
    issued = authority.issue_cert("127.0.0.1", not_after=datetime(2100, 1, 1, tzinfo=UTC))
    before = tls.expiry_times()
    write_pair(encrypted, issued, key=False)

    with structlog.testing.capture_logs() as logs:
        tls.look()
        tls.look()

    assert [line["log_level"] for line in logs] == ["error"]
    assert tls.expiry_times() == before

    write_pair(encrypted, issued)
    tls.look()

    assert tls.expiry_times() == {SERVER: datetime(2100, 1, 1, tzinfo=UTC)}


def test_a_certificate_about_to_expire_is_told_once_a_day(
    encrypted: Settings, authority: trustme.CA
) -> None:
    expiry = datetime(2100, 1, 15, tzinfo=UTC)
    write_pair(encrypted, authority.issue_cert("127.0.0.1", not_after=expiry))
    now = expiry - timedelta(days=14)
    tls = tls_of(encrypted, lambda: now)

    with structlog.testing.capture_logs() as logs:
        for hours in (0, 1, 2, 24, 26):
            now = expiry - timedelta(days=14) + timedelta(hours=hours)
            tls.warn_of_expiry()

    assert [line["event"] for line in logs] == ["certificate expires soon"] * 2


async def test_a_surprise_does_not_end_the_following_of_files(
    encrypted: Settings, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = tls_of(encrypted)
    looks = 0
    look = tls.look

    def surprising() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise RuntimeError("a surprise")
        look()

    monkeypatch.setattr(tls, "look", surprising)
    issued = authority.issue_cert("127.0.0.1", not_after=datetime(2100, 1, 1, tzinfo=UTC))
    write_pair(encrypted, issued)

    async def has_followed() -> bool:
        return tls.expiry_times() == {SERVER: datetime(2100, 1, 1, tzinfo=UTC)}

    following = asyncio.create_task(tls.keep_fresh())
    await until(has_followed)

    following.cancel()


async def test_tls_older_than_1_2_is_refused(tls_service: Service, authority: trustme.CA) -> None:
    def shake(version: ssl.TLSVersion) -> tuple[bytes | None, str | None]:
        return shake_hands(tls_service.address, authority, version)

    _, protocol = await asyncio.to_thread(shake, ssl.TLSVersion.TLSv1_2)
    assert protocol == "h2"

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(shake, ssl.TLSVersion.TLSv1_1)


def client_of(
    service: Service, *, plaintext: bool = False, trusted: trustme.CA | None = None
) -> AsyncAuthClient:
    return AsyncAuthClient(
        service.address,
        api_key=service.admin_key,
        plaintext=plaintext,
        root_certificates=trusted.cert_pem.bytes() if trusted else None,
        timeout=3.0,
    )


async def test_a_client_that_trusts_the_authority_is_served(
    tls_service: Service, authority: trustme.CA
) -> None:
    async with client_of(tls_service, trusted=authority) as client:
        principal = await client.validate(f"Bearer {tls_service.admin_key}")

    assert principal.account_id == tls_service.system.account_id


async def test_a_client_that_does_not_trust_the_authority_sends_nothing(
    tls_service: Service,
) -> None:
    for stranger in (trustme.CA(), None):
        async with client_of(tls_service, trusted=stranger) as client:
            with pytest.raises(Unavailable) as refused:
                await client.validate(tls_service.admin_key)

        assert refused.value.reason is None


async def test_a_plaintext_client_is_not_served(tls_service: Service) -> None:
    async with client_of(tls_service, plaintext=True) as client:
        with pytest.raises(Unavailable):
            await client.validate(tls_service.admin_key)


async def test_a_tls_client_is_not_served_in_plaintext(
    service: Service, authority: trustme.CA
) -> None:
    async with client_of(service, trusted=authority) as client:
        with pytest.raises(Unavailable):
            await client.validate(service.admin_key)


@pytest.mark.parametrize("setting", ["tls_certificate_file", "tls_key_file"])
async def test_a_file_that_cannot_be_read_is_named(
    encrypted: Settings, setting: str, tmp_path: Path
) -> None:
    for path, problem in (
        (tmp_path / "missing.pem", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        async with app.open_parts(encrypted.model_copy(update={setting: path})) as parts:
            with pytest.raises(OSError, match=problem) as refused:
                await app.serve(parts, asyncio.Event())

        explanation = explain(refused.value)
        assert explanation is not None
        assert problem in explanation
        assert str(path) in explanation


@pytest.mark.parametrize("case", ["no PEM", "another key", "no key"])
async def test_files_that_do_not_fit_are_not_called_a_port_in_use(
    encrypted: Settings, authority: trustme.CA, case: str
) -> None:
    assert encrypted.tls_key_file is not None
    assert encrypted.tls_certificate_file is not None
    encrypted.tls_key_file.write_bytes(
        {
            "no PEM": b"nonsense",
            "another key": authority.issue_cert("127.0.0.1").private_key_pem.bytes(),
            "no key": encrypted.tls_certificate_file.read_bytes(),
        }[case]
    )

    async with app.open_parts(encrypted) as parts:
        with pytest.raises(InvalidSettings, match="AUTHSVC_TLS_KEY_FILE"):
            await app.serve(parts, asyncio.Event())


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "example.com:443"])
def test_plaintext_on_a_public_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidSettings, match="AUTHSVC_LISTEN_ADDRESS: is not a loopback address"):
        settings_for("postgresql://nowhere", listen_address=address)


async def test_a_port_in_use_is_told_with_its_address(settings: Settings) -> None:
    async with serving(settings) as service:
        second = settings.model_copy(update={"listen_address": service.address})
        async with app.open_parts(second) as parts:
            with pytest.raises(Exception, match=f"cannot listen on {service.address}"):
                await app.serve(parts, service.stop)

        async with stubs_of(service.address) as stubs:
            await stubs.channel.channel_ready()
            assert stubs.channel.get_state() is grpc.ChannelConnectivity.READY
