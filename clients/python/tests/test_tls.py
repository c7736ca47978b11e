"""TLS, and certificates of the server and of the client."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

from typing import Any

import grpc
import pytest
import trustme

from orchestrator.auth import (
    ANONYMOUS,
    Unavailable,
)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(start_server: Any, answers: Any, authority: trustme.CA) -> Any:
    certificate = authority.issue_cert("127.0.0.1")
    pair = (
        certificate.private_key_pem.bytes(),
        b"".join(blob.bytes() for blob in certificate.cert_chain_pems),
    )
    server = start_server(grpc.ssl_server_credentials([pair]))
    server.script("ValidateCredential", answers.good())
    return server


async def test_tls_is_spoken_unless_plaintext_is_asked_for(
    connect: Any, tls_server: Any, authority: trustme.CA
) -> None:
    client = connect(tls_server.target, api_key="k", root_certificates=authority.cert_pem.bytes())

    assert (await client.validate("x")).account_id == "acct_1"


async def test_a_certificate_of_an_unknown_authority_is_refused(
    connect: Any, tls_server: Any
) -> None:
    client = connect(
        tls_server.target, api_key="k", root_certificates=trustme.CA().cert_pem.bytes()
    )

    with pytest.raises(Unavailable):
        await client.validate("x")

    assert tls_server.calls == []


@pytest.fixture
def mutual_server(start_server: Any, answers: Any, authority: trustme.CA) -> Any:
    certificate = authority.issue_cert("127.0.0.1")
    server = start_server(
        grpc.ssl_server_credentials(
            [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())],
            root_certificates=authority.cert_pem.bytes(),
            require_client_auth=True,
        )
    )
    server.script("ValidateCredential", answers.good())
    return server


@pytest.mark.parametrize("key", [None, ANONYMOUS, "k"])
async def test_a_client_with_a_certificate_needs_no_key_and_sends_one_that_it_has(
    connect: Any, mutual_server: Any, authority: trustme.CA, key: Any
) -> None:
    certificate = authority.issue_cert("client.example.org")
    client = connect(
        mutual_server.target,
        api_key=key,
        root_certificates=authority.cert_pem.bytes(),
        client_certificate=certificate.cert_chain_pems[0].bytes(),
        client_key=certificate.private_key_pem.bytes(),
    )

    await client.validate("x")

    sent = mutual_server.calls[0].metadata.get("authorization")
    assert sent == ("Bearer k" if key == "k" else None)


async def test_a_key_of_the_environment_is_sent_beside_a_certificate(
    connect: Any, mutual_server: Any, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHSVC_API_KEY", "k")
    certificate = authority.issue_cert("client.example.org")
    client = connect(
        mutual_server.target,
        root_certificates=authority.cert_pem.bytes(),
        client_certificate=certificate.cert_chain_pems[0].bytes(),
        client_key=certificate.private_key_pem.bytes(),
    )

    await client.validate("x")

    assert mutual_server.calls[0].metadata["authorization"] == "Bearer k"


async def test_no_key_is_sent_to_a_server_without_tls(connect: Any, server: Any) -> None:
    client = connect(server.target, api_key="k")

    with pytest.raises(Unavailable):
        await client.validate("x")

    assert server.calls == []
