"""The file of other issuers: everything that is wrong is told, by its place."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from authsvc.config import InvalidSettings, load_settings
from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.foreign_issuers import ClaimedAccount, FixedAccount
from authsvc.settings.issuers import IssuerEntry
from authsvc.settings.issuers_file import check_issuers_file, read_issuers
from tests.issuing import ec_key

ACCOUNT = "acct_01h2xcejqtf2nbrexx3vqjhp41"
BASE = f"""
[[issuer]]
alias = "partner"
issuer = "https://id.partner.example"
audience = "https://api.example"
account_id = "{ACCOUNT}"
"""
NO_KEY_SET = "the key set is not a JSON object with unique members"
NO_SCOPE = "must be a scope like sessions:read, sessions:* or *"
NO_ITEM = "List should have at least 1 item after validation, not 0"
RESERVED = "is reserved for keys of the system account"
LOOPBACK = "allow_loopback = true\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "issuers.toml"


def problems(file: Path, text: str) -> list[str]:
    file.write_text(text)
    try:
        check_issuers_file(file, own_issuer="https://auth.orchestratorhq.com")
    except ValueError as error:
        return str(error).splitlines()
    return []


def entry(file: Path, text: str) -> IssuerEntry:
    assert problems(file, text) == []
    (found,) = read_issuers(file)
    return found


def test_an_issuer_needs_little(file: Path) -> None:
    found = entry(file, BASE)
    rules = found.rules(timedelta(seconds=10))

    assert [one.value for one in found.algorithms] == ["RS256", "ES256"]
    assert found.token_types == ["at+jwt", "jwt"]
    assert rules.account == FixedAccount(ACCOUNT)
    assert (rules.subject_claim, rules.scopes.claim) == ("sub", "scope")
    assert (rules.scopes.table, rules.scopes.default) == ({}, ())
    assert (rules.leeway, rules.max_lifetime) == (timedelta(seconds=10), timedelta(hours=1))


def test_everything_can_be_said(file: Path) -> None:
    text = (
        BASE.replace(f'account_id = "{ACCOUNT}"', 'account_claim = "org"')
        + f"""
jwks_file = "keys.json"
algorithms = ["ES256"]
token_types = ["application/AT+JWT", ""]
account_map = {{ acme = "{ACCOUNT}" }}
subject_claim = "oid"
scope_claim = "roles"
scope_map = {{ reader = "sessions:read", writer = ["sessions:read", "sessions:write"] }}
default_scopes = ["sessions:read"]
leeway = 0
max_lifetime = 7200
outage_max_age = 60
"""
    )
    (file.parent / "keys.json").write_text(
        json.dumps({"keys": [ec_key("1").as_dict(private=False)]})
    )
    found = entry(file, text)
    rules = found.rules(timedelta(seconds=10))

    assert found.jwks_file == file.parent / "keys.json"
    assert found.token_types == ["at+jwt", ""]
    assert rules.account == ClaimedAccount("org", {"acme": ACCOUNT})
    assert rules.scopes.table["writer"] == ("sessions:read", "sessions:write")
    assert rules.scopes.table["reader"] == ("sessions:read",)
    assert (rules.leeway, rules.max_lifetime) == (timedelta(0), timedelta(hours=2))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("colour = 1", "colour: is not a setting of an issuer"),
        ('jwks_uri = "http://id.example/k"', "jwks_uri: must begin with https://"),
        (
            'jwks_uri = "https://u:p@id.example/k"',
            "jwks_uri: must be a URL like https://id.example.com/keys",
        ),
        ('jwks_uri = "keys"', "jwks_uri: must be a URL like https://id.example.com/keys"),
        (
            'jwks_uri = "https://id.example/k"\njwks_file = "keys.json"',
            "jwks_file: does not go with jwks_uri: set one of them, or none for discovery",
        ),
        ('jwks_file = "none.json"', "jwks_file: cannot be read: No such file or directory"),
        ('jwks_file = "issuers.toml"', f"jwks_file: {NO_KEY_SET}"),
        ('ca_file = "none.pem"', "ca_file: cannot be read: No such file or directory"),
        ('ca_file = "issuers.toml"', "ca_file: has no certificates in PEM"),
        ('account_claim = "org"', "account_claim: set either account_id or account_claim"),
        ("account_map = {}", "account_map: goes with account_claim, and not with account_id"),
        ('scope_map = { a = "authsvc:admin" }', f"scope_map.a[0]: {RESERVED}"),
        ('scope_map = { a = "A B" }', f"scope_map.a[0]: {NO_SCOPE}"),
        ('default_scopes = ["authsvc:keys"]', f"default_scopes[0]: {RESERVED}"),
        ("max_lifetime = 0", "max_lifetime: Input should be greater than 0"),
        ("outage_max_age = 1", "outage_max_age: Input should be greater than or equal to 60"),
        ("token_types = []", f"token_types: {NO_ITEM}"),
        (
            LOOPBACK,
            "issuer: must be on this machine while allow_loopback is set",
        ),
        (
            LOOPBACK + 'jwks_uri = "http://id.example/k"',
            "jwks_uri: must be on this machine while allow_loopback is set",
        ),
    ],
)  # fmt: skip
def test_each_fault_is_told_by_its_place(file: Path, more: str, expected: str) -> None:
    assert problems(file, BASE + more) == [f"issuer[0].{expected}"]


@pytest.mark.parametrize("algorithm", ["HS256", "none", "RSA-OAEP"])
def test_no_shared_secret_and_no_missing_signature_can_be_allowed(
    file: Path, algorithm: str
) -> None:
    (problem,) = problems(file, f'{BASE}algorithms = ["ES256", "{algorithm}"]')

    assert problem.startswith("issuer[0].algorithms[1]: Input should be 'RS256', 'RS384'")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('alias = "partner"', "alias: is required"),
        ('issuer = "https://id.partner.example"', "issuer: is required"),
        ('audience = "https://api.example"', "audience: is required"),
        (f'account_id = "{ACCOUNT}"', "account_claim: set either account_id or account_claim"),
    ],
)
def test_what_is_required_is_named(file: Path, line: str, expected: str) -> None:
    assert problems(file, BASE.replace(line, "")) == [f"issuer[0].{expected}"]


@pytest.mark.parametrize("alias", ["", "-a", "A", "a|b", "user_1", "a" * 33])
def test_an_alias_cannot_be_mistaken(file: Path, alias: str) -> None:
    (problem,) = problems(file, BASE.replace('"partner"', f'"{alias}"'))

    assert problem.startswith("issuer[0].alias: must be 1 to 32 lower-case letters")


def test_all_that_is_wrong_is_told_at_once(file: Path) -> None:
    second = BASE.replace("https://id", "http://id").replace(ACCOUNT, "acme")

    assert problems(file, 'colour = 1\n[[issuer]]\nalias = "A"\n' + second) == [
        "issuer[0].alias: must be 1 to 32 lower-case letters, digits and '-', a '-' not first",
        "issuer[0].issuer: is required",
        "issuer[0].audience: is required",
        "issuer[0].account_claim: set either account_id or account_claim",
        "issuer[1].issuer: must begin with https://",
        "issuer[1].account_id: must be an account's id, like acct_01h2xcejqtf2nbrexx3vqjhp41",
        "colour: is not a setting of an issuer",
    ]


def test_issuers_are_told_apart_from_each_other_and_from_us(file: Path) -> None:
    own = BASE.replace("id.partner.example", "auth.orchestratorhq.com")

    assert problems(file, BASE + BASE + own.replace("partner", "self")) == [
        "issuer[1].alias: is that of an issuer above, too",
        "issuer[1].issuer: is that of an issuer above, too",
        "issuer[2].issuer: is this service itself",
    ]


@pytest.mark.parametrize(
    "issuer", ["https://id.example?a=1", "https://id.example#a", "urn:issuer", "http://id.example"]
)
def test_an_issuer_without_an_address_needs_keys_from_elsewhere(file: Path, issuer: str) -> None:
    text = BASE.replace("https://id.partner.example", issuer)

    assert len(problems(file, text)) == 1
    assert problems(file, text + 'jwks_uri = "https://id.example/keys"') == []


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]:8080", "localhost"])
def test_for_development_an_issuer_may_be_on_this_machine(file: Path, host: str) -> None:
    text = BASE.replace("https://id.partner.example", f"http://{host}")

    assert problems(file, text) == ["issuer[0].issuer: must begin with https://"]
    assert problems(file, text + LOOPBACK) == []


def test_a_file_that_is_none_is_told_with_all_other_settings(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHSVC_DATABASE_URL", "mysql://")
    monkeypatch.setenv("AUTHSVC_ENCRYPTION_KEY", base64.b64encode(bytes(32)).decode())
    monkeypatch.setenv("AUTHSVC_ISSUERS_FILE", str(file))

    def told() -> list[str]:
        with pytest.raises(InvalidSettings) as caught:
            load_settings()
        return caught.value.problems

    database = "AUTHSVC_DATABASE_URL: must begin with postgresql://"
    assert told() == [
        database,
        "AUTHSVC_ISSUERS_FILE: cannot be read: No such file or directory",
    ]
    file.write_bytes(b"\xff")
    assert told() == [database, "AUTHSVC_ISSUERS_FILE: is not UTF-8"]
    file.write_text("a")
    assert told()[1].startswith("AUTHSVC_ISSUERS_FILE: is not TOML: ")
    file.write_text(BASE + "colour = 1\nsize = 2\n")
    assert told() == [
        database,
        "AUTHSVC_ISSUERS_FILE: issuer[0].colour: is not a setting of an issuer",
        "AUTHSVC_ISSUERS_FILE: issuer[0].size: is not a setting of an issuer",
    ]


DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "foreign-issuers.md").read_text()


def test_the_example_of_the_documentation_is_a_good_file(file: Path) -> None:
    example = DOCUMENTATION.partition("```toml\n")[2].partition("```")[0]

    rules = entry(file, example).rules(timedelta(seconds=10))

    claims = json.loads(DOCUMENTATION.partition("```json\n")[2].partition("```")[0])
    read = rules.read(claims, datetime.fromtimestamp(claims["iat"] + 1, UTC))
    assert isinstance(read, AccessTokenClaims)
    assert (read.subject, read.scopes) == ("partner|248289761001", ("sessions:read",))


def test_every_setting_is_documented() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", DOCUMENTATION, re.MULTILINE)

    assert sorted(documented) == sorted(IssuerEntry.model_fields)
