"""The server's settings: bad ones are told all at once, and never repeated."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from authsvc.config import (
    InvalidSettings,
    Settings,
    load_database_url,
    load_settings,
)
from authsvc.config_values import decode_encryption_key, is_loopback
from authsvc.configuration_reference import configuration_reference
from authsvc.domain.signing_keys import SigningAlgorithm

KEY_BYTES = bytes(range(224, 256))
GOOD = {
    "DATABASE_URL": "postgresql://user:hunter2@db.example/authsvc",
    "ENCRYPTION_KEY": base64.b64encode(KEY_BYTES).decode(),
}
PUBLIC = ["0.0.0.0:50051", "[::]:50051", "192.168.1.7:50051", "[fe80::1]:50051", "auth.lan:50051"]
LOOPBACK = ["127.0.0.1:50051", "127.0.0.2:0", "[::1]:50051", "localhost:50051"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with the required settings and no others."""
    for name in [name for name in os.environ if name.upper().startswith("AUTHSVC_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(f"AUTHSVC_{name}", value)
    return monkeypatch


def _load(environment: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in values.items():
        environment.setenv(f"AUTHSVC_{name.upper()}", value)
    return load_settings()


def _problems(environment: pytest.MonkeyPatch, **values: str) -> list[str]:
    try:
        _load(environment, **values)
    except InvalidSettings as error:
        return error.problems
    return []


def _named(environment: pytest.MonkeyPatch, **values: str) -> list[str]:
    return [problem.partition(":")[0] for problem in _problems(environment, **values)]


def test_the_required_settings_are_enough(environment: pytest.MonkeyPatch) -> None:
    assert _problems(environment) == []


@pytest.mark.parametrize(
    ("address", "serves"), [("off", False), ("0.0.0.0:80", True), ("[::]:0", True)]
)
def test_http_may_be_public_or_off(
    environment: pytest.MonkeyPatch, address: str, *, serves: bool
) -> None:
    assert _load(environment, http_address=address).serves_http is serves


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(f"AUTHSVC_{name}")

    assert _problems(environment) == [f"AUTHSVC_{name}: is required"]


@pytest.mark.parametrize("name", GOOD)
def test_an_empty_setting_counts_as_missing(environment: pytest.MonkeyPatch, name: str) -> None:
    assert _problems(environment, **{name: ""}) == [f"AUTHSVC_{name}: is required"]


def test_an_empty_optional_setting_has_its_default(environment: pytest.MonkeyPatch) -> None:
    assert _load(environment, listen_address="").listen_address == "127.0.0.1:50051"


BAD = {
    "database_url": "mysql://SENTINEL",
    "rate_limit_store": "redis://user:SENTINEL@",
    "rate_limit_store_timeout": "SENTINEL",
    "encryption_key": "SENTINEL",
    "encryption_key_previous": "SENTINEL",
    "http_address": "SENTINEL",
    "access_token_ttl": "SENTINEL",
    "signing_key_lifetime": "SENTINEL",
    "signing_key_lead": "SENTINEL",
    "tls_certificate_file": "/SENTINEL.pem",
    "allow_plaintext": "SENTINEL",
    "listen_address": "SENTINEL",
    "database_pool_size": "SENTINEL",
    "database_timeout": "SENTINEL",
    "token_issuer": "SENTINEL" * 40,
    "token_audience": "SENTINEL" * 40,
    "token_algorithm": "SENTINEL",
    "token_leeway": "SENTINEL",
    "max_staleness": "SENTINEL",
    "shutdown_grace": "SENTINEL",
    "reflection": "SENTINEL",
    "log_level": "SENTINEL",
    "log_format": "SENTINEL",
}


def test_all_bad_settings_are_told_at_once(environment: pytest.MonkeyPatch) -> None:
    # The certificate's own name is good; what it goes with is missing.
    expected = {f"AUTHSVC_{name.upper()}" for name in BAD if name != "tls_certificate_file"}

    assert set(_named(environment, **BAD)) == expected | {"AUTHSVC_TLS_KEY_FILE"}


def test_no_bad_setting_is_repeated(environment: pytest.MonkeyPatch) -> None:
    assert "SENTINEL" not in "\n".join(_problems(environment, **BAD))


def test_a_refusal_has_no_cause_that_repeats_a_setting(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSettings) as caught:
        _load(environment, **BAD)

    assert "SENTINEL" not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_pool_size", "0"),
        ("database_pool_size", "1001"),
        ("database_timeout", "0"),
        ("database_timeout", "3601"),
        ("database_timeout", "nan"),
        ("database_timeout", "inf"),
        ("token_leeway", "-1"),
        ("token_leeway", "301"),
        ("token_leeway", "nan"),
        ("access_token_ttl", "0"),
        ("access_token_ttl", "3601"),
        ("signing_key_lifetime", "-1"),
        ("signing_key_lifetime", "3651"),
        ("signing_key_lead", "1.9"),
        ("signing_key_lead", "86401"),
        ("signing_key_lead", "nan"),
        ("encryption_key_previous", "A" * 42),
        ("http_address", ":50080"),
        ("http_address", "on"),
        ("max_staleness", "0"),
        ("max_staleness", "nan"),
        ("shutdown_grace", "-1"),
        ("shutdown_notice", "-1"),
        ("shutdown_grace", "nan"),
        ("token_algorithm", "none"),
        ("token_algorithm", "HS512"),
        ("token_issuer", "x" * 256),
        ("database_url", "SQLITE://x"),
        ("database_url", "postgresql://a,,b/db"),
        ("database_url", "postgresql://a,b:x/db"),
        ("database_url", "postgresql://a,b,c/db?port=1,2"),
        ("database_url", "postgresql://[::1/db"),
        ("database_url", "postgresql://a,b/db?target_session_attrs=any"),
        ("database_url", "postgresql://a,b/db?target_session_attrs=standby"),
        ("listen_address", ":50051"),
        ("listen_address", "127.0.0.1"),
        ("listen_address", "127.0.0.1:"),
        ("listen_address", "127.0.0.1:65536"),
        ("listen_address", "127.0.0.1:-1"),
        ("listen_address", "127.0.0.1:\u0665\u0660"),
        ("listen_address", "unix:/tmp/authsvc"),
    ],
)
def test_a_value_out_of_bounds_is_refused(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert _named(environment, **{name: value}) == [f"AUTHSVC_{name.upper()}"]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_without_tls_is_refused(
    environment: pytest.MonkeyPatch, address: str
) -> None:
    [problem] = _problems(environment, listen_address=address)

    assert problem.startswith("AUTHSVC_LISTEN_ADDRESS: is not a loopback address")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_with_tls_is_served(environment: pytest.MonkeyPatch, address: str) -> None:
    files = {"tls_certificate_file": "/c.pem", "tls_key_file": "/k.pem"}

    assert _problems(environment, listen_address=address, **files) == []


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_in_plaintext_is_served_when_that_is_said(
    environment: pytest.MonkeyPatch, address: str
) -> None:
    assert _problems(environment, listen_address=address, allow_plaintext="true") == []


def test_a_key_without_a_certificate_makes_no_address_safe(
    environment: pytest.MonkeyPatch,
) -> None:
    assert _named(environment, listen_address="0.0.0.0:1", tls_key_file="/k.pem") == [
        "AUTHSVC_TLS_KEY_FILE",
        "AUTHSVC_LISTEN_ADDRESS",
    ]


@pytest.mark.parametrize("address", LOOPBACK)
def test_a_loopback_address_needs_no_tls(environment: pytest.MonkeyPatch, address: str) -> None:
    assert _problems(environment, listen_address=address) == []


@pytest.mark.parametrize(
    "address", ["127.0.0.1.example.com:1", "127.1:1", "localhost.example.com:1", "10.0.0.1:1"]
)
def test_what_only_resembles_a_loopback_address_is_public(address: str) -> None:
    assert not is_loopback(address)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(base64.b64encode(KEY_BYTES).decode(), id="standard alphabet"),
        pytest.param(base64.urlsafe_b64encode(KEY_BYTES).decode(), id="URL alphabet"),
        pytest.param(base64.b64encode(KEY_BYTES).decode() + "\n", id="newline behind"),
    ],
)
def test_an_encryption_key_is_read_in_both_alphabets(text: str) -> None:
    assert decode_encryption_key(text) == KEY_BYTES


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(base64.b64encode(bytes(31)).decode(), id="31 bytes"),
        pytest.param(base64.b64encode(bytes(33)).decode(), id="33 bytes"),
        pytest.param(bytes(32).hex(), id="hexadecimal"),
        pytest.param("x" * 32, id="32 characters"),
        pytest.param("!" * 44, id="not base64"),
        pytest.param("é" * 44, id="not ASCII"),
        pytest.param("A" * 43, id="without padding"),
    ],
)
def test_an_encryption_key_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be 32 random bytes in base64"):
        decode_encryption_key(text)


@pytest.mark.parametrize("secret", ["hunter2", GOOD["ENCRYPTION_KEY"]])
def test_settings_do_not_show_their_secrets(environment: pytest.MonkeyPatch, secret: str) -> None:
    assert secret not in repr(_load(environment))


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache.example",
        "redis://cache.example:6380/2",
        "rediss://user:hunter2@cache.example:6380",
        "rediss://cache.example?ssl_ca_certs=/etc/ca.pem&db=1",
        "redis://:p%2Fw@[::1]:6379",
        "valkey://cache.example",
        "valkeys://:hunter2@cache.example/0",
        "redis+unix:///run/redis.sock?db=1",
        "valkey+unix://:hunter2@/run/valkey.sock",
    ],
)
def test_a_rate_limit_store_is_named_by_its_url(environment: pytest.MonkeyPatch, url: str) -> None:
    store = _load(environment, rate_limit_store=url).rate_limit_store

    assert store is not None
    assert store.get_secret_value() == url
    assert "hunter2" not in repr(store)


@pytest.mark.parametrize(
    "url",
    [
        "cache.example:6379",
        "http://cache.example",
        "redis:/cache.example",
        "redis://",
        "redis://:SENTINEL@",
        "redis://cache.example:65536",
        "redis://cache.example:0",
        "redis://cache.example:SENTINEL",
        "redis://:SENT/INEL@cache.example",
        "redis://:SENT#INEL@cache.example",
        "redis://cache.example/SENTINEL",
        "redis://cache.example?SENTINEL",
        "redis://cache.example?ssl_cert_reqs=none",
        "redis+unix://",
        "redis+unix://host/run/redis.sock",
        "redis+cluster://cache.example:6379",
        "redis://[SENTINEL",
    ],
)
def test_a_rate_limit_store_of_another_form_is_refused_unrepeated(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    (problem,) = _problems(environment, rate_limit_store=url)

    assert problem.startswith("AUTHSVC_RATE_LIMIT_STORE: must be redis://user:password@host:port/")
    assert "SENT" not in problem


def test_settings_cannot_be_changed(environment: pytest.MonkeyPatch) -> None:
    settings = _load(environment)

    with pytest.raises(ValueError, match="frozen"):
        settings.token_algorithm = SigningAlgorithm.HS256


def test_an_override_comes_before_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AUTHSVC_LISTEN_ADDRESS", "127.0.0.1:1")

    assert load_settings(listen_address="127.0.0.1:2").listen_address == "127.0.0.1:2"


def test_commands_on_the_bare_database_need_its_url_only(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AUTHSVC_ENCRYPTION_KEY")

    assert load_database_url() == GOOD["DATABASE_URL"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://SENTINEL",
        "postgresql://user:SENTINEL#@db/authsvc",
        "postgresql://db,SENTINEL:x/authsvc",
        "postgresql://db/authsvc?target_session_attrs=SENTINEL",
    ],
)
def test_a_bad_database_url_is_refused_unrepeated(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    environment.setenv("AUTHSVC_DATABASE_URL", url)

    with pytest.raises(InvalidSettings, match=r"^AUTHSVC_DATABASE_URL: (?!.*SENTINEL)"):
        load_database_url()


def test_the_reference_in_the_documentation_is_up_to_date() -> None:
    documented = Path(__file__).parents[2] / "docs" / "configuration.md"

    assert documented.read_text(encoding="utf-8") == configuration_reference()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    assert Settings.model_fields[name].description


@pytest.mark.parametrize(("pool_size", "workers"), [("10", 6), ("4", 4)])
def test_workers_are_as_many_as_there_are_processors_and_connections_for(
    environment: pytest.MonkeyPatch, pool_size: str, workers: int
) -> None:
    environment.setattr("authsvc.settings.serving.usable_processors", lambda: 6)

    settings = _load(environment, workers="auto", database_pool_size=pool_size)

    assert settings.worker_count == workers
