"""What a client is made from: arguments, environment, and what is refused with a clear word."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.auth import ConfigurationError, Secret


async def test_address_and_key_come_from_the_environment(
    connect: Any, server: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHSVC_ADDRESS", server.target)
    monkeypatch.setenv("AUTHSVC_API_KEY", answers.EXAMPLE_KEY)

    await connect(plaintext=True).validate("x")

    assert server.calls[0].metadata["authorization"] == f"Bearer {answers.EXAMPLE_KEY}"


async def test_arguments_win_over_the_environment(
    connect: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHSVC_ADDRESS", "unreachable.invalid:1")
    monkeypatch.setenv("AUTHSVC_API_KEY", "other")

    await connect(server.target, api_key=Secret("mine"), plaintext=True).validate("x")

    assert server.calls[0].metadata["authorization"] == "Bearer mine"


@pytest.mark.parametrize("target", [None, ""])
def test_without_an_address_it_says_what_to_set(client_class: Any, target: str | None) -> None:
    with pytest.raises(ConfigurationError, match="set AUTHSVC_ADDRESS or pass target"):
        client_class(target, api_key="k")


@pytest.mark.parametrize("api_key", [None, "", Secret("")])
def test_without_a_key_it_says_what_to_set(client_class: Any, api_key: Any) -> None:
    with pytest.raises(ConfigurationError, match="set AUTHSVC_API_KEY or pass api_key"):
        client_class("127.0.0.1:1", api_key=api_key)


@pytest.mark.parametrize("url", ["http://auth.internal", "https://auth.internal:443"])
def test_a_url_is_no_address(client_class: Any, url: str) -> None:
    with pytest.raises(ConfigurationError, match="not a URL"):
        client_class(url, api_key="k")


@pytest.mark.parametrize(
    "key",
    ["hidden\n", "hidden\r", "hid den", "Bearer hidden", "hidden\x00", "hiddén", "hidden\x7f"],
)
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(
    client_class: Any, key: str
) -> None:
    with pytest.raises(ConfigurationError, match="characters that cannot be sent") as caught:
        client_class("127.0.0.1:1", api_key=key)

    assert "hid" not in str(caught.value)


def test_a_key_that_is_no_text_is_a_mistake(client_class: Any) -> None:
    with pytest.raises(TypeError, match="not bytes"):
        client_class("127.0.0.1:1", api_key=b"k")


def test_authorities_make_no_sense_without_tls(client_class: Any) -> None:
    with pytest.raises(ConfigurationError, match="plaintext=True"):
        client_class("127.0.0.1:1", api_key="k", plaintext=True, root_certificates=b"x")


def test_authorities_are_pem(client_class: Any) -> None:
    with pytest.raises(ConfigurationError, match="no PEM certificate"):
        client_class("127.0.0.1:1", api_key="k", root_certificates=b"/etc/ca.pem")


CERTIFICATE = b"-----BEGIN CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"client_certificate": CERTIFICATE}, "go together: pass both"),
        ({"client_key": KEY}, "go together: pass both"),
        (
            {"client_certificate": b"/etc/tls.crt", "client_key": KEY},
            "client_certificate holds no PEM certificate",
        ),
        (
            {"client_certificate": CERTIFICATE, "client_key": b"/etc/tls.key"},
            "client_key holds no PEM private key",
        ),
        (
            {
                "client_certificate": CERTIFICATE,
                "client_key": b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
            },
            "or an encrypted one",
        ),
        (
            {
                "client_certificate": CERTIFICATE,
                "client_key": b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
            },
            "or an encrypted one",
        ),
        (
            {"client_certificate": CERTIFICATE, "client_key": KEY, "plaintext": True},
            "plaintext=True makes no use of client_certificate",
        ),
    ],
)
def test_a_clients_certificate_goes_with_its_key_and_with_tls(
    client_class: Any, settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        client_class("127.0.0.1:1", **settings)


@pytest.mark.parametrize("timeout", [0, -0.1, float("inf"), float("nan")])
def test_a_deadline_is_positive_and_finite(client_class: Any, timeout: float) -> None:
    with pytest.raises(ValueError, match="positive, finite"):
        client_class("127.0.0.1:1", api_key="k", timeout=timeout)
