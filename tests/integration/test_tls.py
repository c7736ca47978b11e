"""TLS: who is let in, who is not, and what is said of files that cannot be used."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
import structlog
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from authsvc import app
from authsvc.cli.failures import explain
from authsvc.composition.tls import server_tls
from authsvc.config import InvalidSettings, Settings
from authsvc.rpc.certificate_checks import CLIENT_CA, SERVER
from authsvc.rpc.tls import ServerTls
from orchestrator.auth import AsyncAuthClient, Unavailable
from tests.conftest import Service, serving, settings_for
from tests.integration.support import stubs_of, until
from tests.support_certificates import chain_of, write_server_pair


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


NOW = datetime(2100, 1, 15, tzinfo=UTC)
DAY = timedelta(days=1)
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("not_before", "not_after", "problem"),
    [
        (NOW - 3 * DAY, NOW - DAY, "must be valid now: it has expired at 2100-01-14T"),
        (NOW + DAY, NOW + 30 * DAY, "is not valid before 2100-01-16T"),
    ],
)
def test_a_pair_that_is_not_valid_now_does_not_replace_one_that_is(
    encrypted: Settings,
    authority: trustme.CA,
    not_before: datetime,
    not_after: datetime,
    problem: str,
) -> None:
    write_pair(encrypted, authority.issue_cert("127.0.0.1", not_after=NOW + 20 * DAY))
    tls = tls_of(encrypted, lambda: NOW)
    write_server_pair(encrypted, authority, ELLIPTIC, not_before=not_before, not_after=not_after)

    with structlog.testing.capture_logs() as logs:
        tls.look()
        tls.look()

    assert [line["event"] for line in logs] == [
        "new certificate not usable, the one before it goes on serving"
    ]
    assert logs[0]["problem"].startswith(problem)
    assert tls.expiry_times() == {SERVER: NOW + 20 * DAY}


def test_a_pair_is_taken_once_it_is_valid(encrypted: Settings, authority: trustme.CA) -> None:
    now = NOW
    write_pair(encrypted, authority.issue_cert("127.0.0.1", not_after=NOW + 20 * DAY))
    tls = tls_of(encrypted, lambda: now)
    write_server_pair(
        encrypted, authority, ELLIPTIC, not_before=NOW + DAY, not_after=NOW + 30 * DAY
    )
    tls.look()
    now += DAY

    tls.look()

    assert tls.expiry_times() == {SERVER: NOW + 30 * DAY}


def test_what_has_run_out_is_replaced_by_anything(
    encrypted: Settings, authority: trustme.CA
) -> None:
    write_pair(encrypted, authority.issue_cert("127.0.0.1", not_after=NOW - DAY))
    tls = tls_of(encrypted, lambda: NOW)
    write_server_pair(
        encrypted, authority, ELLIPTIC, not_before=NOW + DAY, not_after=NOW + 30 * DAY
    )

    tls.look()

    assert tls.expiry_times() == {SERVER: NOW + 30 * DAY}


@pytest.mark.parametrize(
    ("not_before", "not_after", "event"),
    [
        (NOW - 3 * DAY, NOW - DAY, "certificate has expired"),
        (NOW + DAY, NOW + 30 * DAY, "certificate not valid yet"),
    ],
)
def test_a_start_with_a_pair_that_is_not_valid_is_told_as_an_error(
    encrypted: Settings,
    authority: trustme.CA,
    not_before: datetime,
    not_after: datetime,
    event: str,
) -> None:
    write_server_pair(encrypted, authority, ELLIPTIC, not_before=not_before, not_after=not_after)
    tls = tls_of(encrypted, lambda: NOW)

    with structlog.testing.capture_logs() as logs:
        tls.warn_of_expiry()

    assert [(line["log_level"], line["event"]) for line in logs] == [("error", event)]


def test_client_authorities_are_replaced_by_some_that_have_run_out_and_that_is_told(
    encrypted: Settings, authority: trustme.CA, tmp_path: Path
) -> None:
    assert encrypted.tls_certificate_file is not None
    assert encrypted.tls_key_file is not None
    write_server_pair(encrypted, authority, ELLIPTIC, not_after=NOW + 20 * DAY)
    bundle = tmp_path / "client-ca.pem"
    bundle.write_bytes(authority.cert_pem.bytes())
    tls = ServerTls(
        encrypted.tls_certificate_file,
        encrypted.tls_key_file,
        client_ca_file=bundle,
        clock=lambda: NOW,
    )
    bundle.write_bytes(authority.issue_cert("b", not_after=NOW - DAY).cert_chain_pems[0].bytes())

    with structlog.testing.capture_logs() as logs:
        tls.look()
        tls.warn_of_expiry()

    assert [line["event"] for line in logs] == ["certificate replaced", "certificate has expired"]
    assert tls.expiry_times()[CLIENT_CA] == NOW - DAY


USABLE_KEYS: dict[str, Callable[[], CertificateIssuerPrivateKeyTypes]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA of 2048 bits": lambda: rsa.generate_private_key(65537, 2048),
}
UNUSABLE_KEYS: dict[str, Callable[[], CertificateIssuerPrivateKeyTypes]] = {
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "RSA of 1024 bits": lambda: rsa.generate_private_key(65537, 1024),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


async def test_grpc_clients_take_every_kind_of_key_that_is_served(
    encrypted: Settings, authority: trustme.CA
) -> None:
    for generate in USABLE_KEYS.values():
        write_server_pair(encrypted, authority, generate())
        async with taking_hands(tls_of(encrypted), authority) as channel:
            await asyncio.wait_for(channel.channel_ready(), 30)


@pytest.mark.parametrize("kind", UNUSABLE_KEYS)
def test_a_pair_of_a_kind_that_grpc_clients_do_not_take_is_refused(
    encrypted: Settings, authority: trustme.CA, kind: str
) -> None:
    tls = tls_of(encrypted)
    before = tls.expiry_times()
    write_server_pair(encrypted, authority, UNUSABLE_KEYS[kind]())

    with structlog.testing.capture_logs() as logs:
        tls.look()

    assert "P-256 or P-384" in logs[0]["problem"]
    assert tls.expiry_times() == before
    with pytest.raises(InvalidSettings, match=r"AUTHSVC_TLS_CERTIFICATE_FILE.*P-256 or P-384"):
        server_tls(encrypted, clock=app.utc_now)


def test_a_key_for_rsa_pss_alone_is_refused(encrypted: Settings, authority: trustme.CA) -> None:
    assert encrypted.tls_certificate_file is not None
    write_server_pair(encrypted, authority, rsa.generate_private_key(65537, 2048))
    certificate = ssl.PEM_cert_to_DER_cert(encrypted.tls_certificate_file.read_text())
    # The algorithm of the key, an object identifier and its parameters.
    plain, pss = (bytes.fromhex(f"06092a864886f70d0101{end}") for end in ("010500", "0a3000"))
    assert plain in certificate
    encrypted.tls_certificate_file.write_text(
        ssl.DER_cert_to_PEM_cert(certificate.replace(plain, pss))
    )

    with pytest.raises(InvalidSettings, match="P-256 or P-384"):
        server_tls(encrypted, clock=app.utc_now)


@asynccontextmanager
async def taking_hands(tls: ServerTls, authority: trustme.CA) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to a server that does nothing but shake hands."""
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", tls.credentials())
    await server.start()
    trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    try:
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", trusted) as channel:
            yield channel
    finally:
        await server.stop(None)


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
