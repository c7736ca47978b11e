"""TLS: who is let in, who is not, and what is said of files that cannot be used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
import trustme

from authsvc import app
from authsvc.cli.failures import explain
from authsvc.config import InvalidSettings, Settings
from orchestrator.auth import AsyncAuthClient, Unavailable
from tests.conftest import Service, serving
from tests.integration.support import settings_for, stubs_of


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def encrypted(settings: Settings, authority: trustme.CA, tmp_path: Path) -> Settings:
    """Settings with a certificate for 127.0.0.1."""
    issued = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return settings.model_copy(update={"tls_certificate_file": chain, "tls_key_file": key})


@pytest_asyncio.fixture(loop_scope="session")
async def tls_service(encrypted: Settings) -> AsyncIterator[Service]:
    async with serving(encrypted) as served:
        yield served


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
