"""The file of client certificates, and the settings that go with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from authsvc.config import InvalidSettings, load_settings
from authsvc.domain.client_certificates import DnsRule, UriRule
from authsvc.settings.certificate_callers import read_certificate_rules
from tests.conftest import ENCRYPTION_KEY
from tests.support_certificates import GATEWAY, MAPPING


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "certificates.toml"
    path.write_text(MAPPING)
    return path


def whole_settings(file: Path) -> dict[str, object]:
    """Return all settings that go with client certificates, with those that are always required."""
    return {
        "database_url": "postgresql://nowhere",
        "encryption_key": ENCRYPTION_KEY,
        "tls_certificate_file": file,
        "tls_key_file": file,
        "mtls_listen_address": "0.0.0.0:50052",
        "tls_client_ca_file": file,
        "certificate_callers_file": file,
    }


def test_rules_come_in_the_order_of_the_file(file: Path) -> None:
    assert read_certificate_rules(file) == [
        UriRule(GATEWAY, frozenset({"authsvc:validate"})),
        UriRule("spiffe://example.org/ns/jobs/*", frozenset({"authsvc:keys"})),
        DnsRule("operator.example.org", frozenset({"authsvc:admin"})),
    ]


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("", ["caller: is required"]),
        ("caller = []", ["caller: List should have at least 1 item"]),
        (
            "[[caller]]",
            ["caller[0].dns: set either uri or dns", "[0].scopes: is required"],
        ),
        (
            '[[caller]]\nuri = "urn:a"\ndns = "a"\nscopes = ["authsvc:admin"]',
            ["caller[0].dns: set either uri or dns"],
        ),
        (
            '[[caller]]\nuri = "spiffe://*/a"\nscopes = ["authsvc:admin"]',
            ["caller[0].uri: must be a URI"],
        ),
        (
            '[[caller]]\ndns = "*.example.org"\nscopes = ["authsvc:admin"]',
            ["caller[0].dns: must be a DNS name"],
        ),
        (
            '[[caller]]\ndns = "a"\nscopes = ["*"]',
            ["[0].scopes[0]: must be one of authsvc:admin, authsvc:keys, authsvc:validate"],
        ),
        ('[[caller]]\ndns = "a"\nscopes = []', ["caller[0].scopes: List should have"]),
        (
            '[[caller]]\ndns = "a"\nscopes = ["authsvc:admin"]\nscope = "x"',
            ["caller[0].scope: is not a setting of a caller"],
        ),
        (
            '[[caller]]\ndns = "a"\nscopes = ["authsvc:keys"]\n' * 2,
            ["caller[1]: there is one above with this name"],
        ),
        ("caller", ["is not TOML"]),
    ],
)
def test_whatever_is_wrong_is_told_by_its_place(
    file: Path, content: str, problems: list[str]
) -> None:
    file.write_text(content)

    with pytest.raises(ValueError, match=r".") as caught:
        read_certificate_rules(file)

    lines = str(caught.value).splitlines()
    assert len(lines) == len(problems)
    assert all(problem in line for problem, line in zip(problems, lines, strict=True)), lines


def test_the_example_of_the_documentation_is_a_good_file(file: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "tls.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    file.write_text(example)

    assert len(read_certificate_rules(file)) == 3


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_certificate_rules(tmp_path / "missing")


@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        ({"mtls_listen_address"}, "set AUTHSVC_MTLS_LISTEN_ADDRESS, too"),
        ({"tls_client_ca_file"}, "set AUTHSVC_TLS_CLIENT_CA_FILE, too"),
        ({"certificate_callers_file"}, "set AUTHSVC_CERTIFICATE_CALLERS_FILE, too"),
        ({"tls_certificate_file", "tls_key_file"}, "set AUTHSVC_TLS_CERTIFICATE_FILE, too"),
        (
            {"tls_client_ca_file", "certificate_callers_file"},
            "set AUTHSVC_TLS_CLIENT_CA_FILE, AUTHSVC_CERTIFICATE_CALLERS_FILE, too",
        ),
    ],
)
def test_the_settings_of_client_certificates_go_together(
    file: Path, left_out: set[str], named: str
) -> None:
    whole = whole_settings(file)

    load_settings(**whole)
    with pytest.raises(InvalidSettings) as caught:
        load_settings(**{name: value for name, value in whole.items() if name not in left_out})

    (problem,) = caught.value.problems
    assert problem.endswith(named)


def test_a_bad_file_is_told_with_all_other_settings(file: Path) -> None:
    file.write_text("caller = 1")

    with pytest.raises(InvalidSettings) as caught:
        load_settings(
            **{
                **whole_settings(file),
                "database_url": "mysql://",
                "mtls_listen_address": "127.0.0.1",
            }
        )

    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "AUTHSVC_DATABASE_URL",
        "AUTHSVC_MTLS_LISTEN_ADDRESS",
        "AUTHSVC_CERTIFICATE_CALLERS_FILE",
    ]
