"""How the options of a command become a client, and which of them make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from authsvc.cli.connection import Connection
from authsvc.cli.failures import Failure

REFUSAL = "a person has to do that"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    issued = trustme.CA().issue_cert("client.example.org")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return certificate, key


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTHSVC_API_KEY", raising=False)


def a_connection(
    certificate: Path | None = None, key: Path | None = None, *, plaintext: bool = False
) -> Connection:
    return Connection("127.0.0.1:1", plaintext, None, None, certificate, key)


def test_with_a_certificate_there_need_be_no_key(pair: tuple[Path, Path]) -> None:
    a_connection(*pair).open_client().close()

    with pytest.raises(Failure, match="--client-certificate-file"):
        a_connection().open_client()


def test_a_certificate_and_its_key_go_together(pair: tuple[Path, Path]) -> None:
    for half in (a_connection(pair[0]), a_connection(None, pair[1])):
        with pytest.raises(Failure, match="give both"):
            half.open_client()


def test_a_certificate_is_for_tls(pair: tuple[Path, Path]) -> None:
    with pytest.raises(Failure, match="AUTHSVC_PLAINTEXT"):
        a_connection(*pair, plaintext=True).open_client()


def test_a_certificate_is_no_person(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Failure, match=REFUSAL):
        a_connection(*pair).open_client(key_refusal=REFUSAL)

    monkeypatch.setenv("AUTHSVC_API_KEY", "an.access.token")
    a_connection(*pair).open_client(key_refusal=REFUSAL).close()
