"""The grammar of credentials, case by case (docs: design, section 3, Form)."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from authsvc.domain.credentials import (
    MAX_LENGTH,
    TokenCredential,
    parse_credential,
)
from authsvc.domain.denials import DenialReason
from authsvc.domain.key_secrets import KeySecret

KEY = "orch_" + "0" * 39 + "a"
UPPER_HEX_KEY = "orch_" + "0" * 39 + "A"
JWT = "eyJhIjoxfQ.eyJiIjoyfQ.c2ln"
GOOD = hashlib.sha256(KEY.encode()).digest()

MISSING = DenialReason.MISSING_CREDENTIAL
SCHEME = DenialReason.UNSUPPORTED_SCHEME
FORMAT = DenialReason.INVALID_KEY_FORMAT

random_bytes = st.binary(min_size=20, max_size=20)
any_text = st.text(st.characters(codec=None), max_size=80)
scheme_spellings = st.lists(st.booleans(), min_size=6, max_size=6).map(
    lambda upper: "".join(
        letter.upper() if up else letter for letter, up in zip("bearer", upper, strict=True)
    )
)


def _read(value: str) -> bytes | str | DenialReason:
    """Return the digest of a key, the text of a token, or why it is neither."""
    match parse_credential(value):
        case bytes() as digest:
            return digest
        case TokenCredential(token=token):
            return token
        case DenialReason() as reason:
            return reason


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(KEY, id="bare"),
        pytest.param(f"Bearer {KEY}", id="one blank"),
        pytest.param(f"Bearer  {KEY}", id="two blanks"),
        pytest.param(f"Bearer{' ' * 500}{KEY}", id="many blanks"),
        pytest.param(f"bearer {KEY}", id="lower-case scheme"),
        pytest.param(f"BEARER {KEY}", id="upper-case scheme"),
        pytest.param(f"bEaReR {KEY}", id="mixed-case scheme"),
    ],
)
def test_every_spelling_of_a_header_with_a_key_is_that_key(value: str) -> None:
    assert _read(value) == GOOD


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param("", MISSING, id="no header"),
        pytest.param("Bearer", MISSING, id="scheme alone"),
        pytest.param("Bearer ", MISSING, id="scheme and a blank"),
        pytest.param("Bearer     ", MISSING, id="scheme and blanks"),
        pytest.param("bearer", MISSING, id="lower-case scheme alone"),
        pytest.param("Basic x", SCHEME, id="basic"),
        pytest.param("Basic ", SCHEME, id="basic with nothing"),
        pytest.param(f"Basic {KEY}", SCHEME, id="basic with a key"),
        pytest.param(f"Token {KEY}", SCHEME, id="another scheme with a key"),
        pytest.param("AWS4-HMAC-SHA256 Credential=x", SCHEME, id="scheme with digits and hyphens"),
        pytest.param("Basic", FORMAT, id="one word"),
        pytest.param(f"Bearer Bearer {KEY}", FORMAT, id="scheme twice"),
        pytest.param("Bearer Bearer x", FORMAT, id="scheme twice, no key"),
        pytest.param("Bearer Bearer", FORMAT, id="scheme twice, nothing else"),
        pytest.param(f"Bearer Basic {KEY}", FORMAT, id="scheme behind the scheme"),
        pytest.param(KEY.upper(), FORMAT, id="all upper case"),
        pytest.param("ORCH_" + "0" * 40, FORMAT, id="upper-case prefix"),
        pytest.param("Orch_" + "0" * 40, FORMAT, id="capital prefix"),
        pytest.param(KEY[:-1], FORMAT, id="44 characters"),
        pytest.param(KEY + "0", FORMAT, id="46 characters"),
        pytest.param("orch_", FORMAT, id="prefix alone"),
        pytest.param("orch-" + "0" * 40, FORMAT, id="hyphen for underscore"),
        pytest.param("0" * 45, FORMAT, id="no prefix"),
        pytest.param("key_" + "0" * 41, FORMAT, id="another prefix"),
        pytest.param(KEY[:-1] + "g", FORMAT, id="not hexadecimal"),
        pytest.param("orch_ " + "0" * 39, FORMAT, id="blank inside"),
        pytest.param(KEY + "\n", FORMAT, id="trailing newline"),
        pytest.param(f"Bearer {KEY}\n", FORMAT, id="scheme and trailing newline"),
        pytest.param(KEY + "\r\n", FORMAT, id="trailing CRLF"),
        pytest.param(KEY + " ", FORMAT, id="trailing blank"),
        pytest.param(f"Bearer {KEY} ", FORMAT, id="scheme and trailing blank"),
        pytest.param(f"Bearer {KEY} x", FORMAT, id="something behind the key"),
        pytest.param(" " + KEY, FORMAT, id="leading blank"),
        pytest.param(f" Bearer {KEY}", FORMAT, id="blank before the scheme"),
        pytest.param(" ", FORMAT, id="a blank alone"),
        pytest.param(f"Bearer\t{KEY}", FORMAT, id="tab behind the scheme"),
        pytest.param(f"Bearer \t{KEY}", FORMAT, id="blank and tab behind the scheme"),
        pytest.param(f"Bearer\n{KEY}", FORMAT, id="newline behind the scheme"),
        pytest.param(f"Bearer\u00a0{KEY}", FORMAT, id="no-break space behind the scheme"),
        pytest.param(f"Bearer \u00a0{KEY}", FORMAT, id="no-break space before the key"),
        pytest.param(f"Bearer:{KEY}", FORMAT, id="colon behind the scheme"),
        pytest.param(f'"{KEY}"', FORMAT, id="quoted"),
        pytest.param(f"Bearer {KEY},{KEY}", FORMAT, id="two keys in a list"),
        pytest.param(KEY + "\0", FORMAT, id="trailing NUL"),
        pytest.param("orch_" + "0" * 20 + "\0" + "0" * 19, FORMAT, id="embedded NUL"),
        pytest.param("orch_" + "0" * 39 + "\uff10", FORMAT, id="full-width digit"),
        pytest.param("orch_" + "\uff10" * 40, FORMAT, id="full-width digits"),
        pytest.param("orch_" + "\u0660" * 40, FORMAT, id="Arabic-Indic digits"),
        pytest.param("orch_" + "0" * 39 + "\u212a", FORMAT, id="Kelvin sign"),
        pytest.param("orc\u212a_" + "0" * 40, FORMAT, id="Kelvin sign in the prefix"),
        pytest.param(KEY + "\u0301", FORMAT, id="combining accent behind"),
        pytest.param("orch_" + "0" * 39 + "\u0301", FORMAT, id="combining accent inside"),
        pytest.param(f"\ufeff{KEY}", FORMAT, id="byte order mark"),
        pytest.param(f"B\u0435arer {KEY}", FORMAT, id="Cyrillic letter in the scheme"),
        pytest.param("ключ", FORMAT, id="not ASCII at all"),
        pytest.param("\ud800", FORMAT, id="lone surrogate"),
    ],
)
def test_a_malformed_value_is_refused_for_its_own_reason(value: str, reason: DenialReason) -> None:
    assert parse_credential(value) is reason


def test_upper_case_hexadecimal_is_well_formed_and_another_key() -> None:
    assert _read(UPPER_HEX_KEY) == hashlib.sha256(UPPER_HEX_KEY.encode()).digest() != GOOD


@pytest.mark.parametrize("token", [JWT, "a.b.c", "a.b.", "eyJ-_.eyJ-_.-_"])
def test_three_base64url_segments_are_a_token(token: str) -> None:
    assert _read(f"Bearer {token}") == token


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a.b", id="two segments"),
        pytest.param("a.b.c.d", id="four segments"),
        pytest.param("a.b.c.d.e", id="five segments, an encrypted token"),
        pytest.param(".b.c", id="empty header"),
        pytest.param("a..c", id="empty payload"),
        pytest.param("..", id="nothing but dots"),
        pytest.param("a.b.c=", id="padding"),
        pytest.param("a.b+.c", id="plus"),
        pytest.param("a.b/.c", id="slash"),
        pytest.param("a.b.c ", id="trailing blank"),
        pytest.param("a.b.c\n", id="trailing newline"),
        pytest.param("a.b. c", id="blank inside"),
        pytest.param("a.\uff42.c", id="full-width letter"),
        pytest.param(f"{KEY}.a.b.c", id="a key before it"),
    ],
)
def test_what_only_resembles_a_token_is_refused(value: str) -> None:
    assert parse_credential(f"Bearer {value}") is FORMAT


def test_the_longest_value_is_read() -> None:
    token = "a.b." + "c" * (MAX_LENGTH - 4)

    assert _read(token) == token


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a.b." + "c" * (MAX_LENGTH - 3), id="token"),
        pytest.param("Bearer" + " " * (MAX_LENGTH - 50) + KEY, id="key behind many blanks"),
        pytest.param("Basic " + "x" * MAX_LENGTH, id="another scheme"),
        pytest.param(" " * (MAX_LENGTH + 1), id="blanks"),
    ],
)
def test_a_longer_value_is_refused_whatever_it_is(value: str) -> None:
    assert len(value) > MAX_LENGTH
    assert parse_credential(value) is FORMAT


def test_the_bound_is_eight_kibibytes() -> None:
    assert MAX_LENGTH == 8192


@pytest.mark.parametrize("value", [KEY, JWT])
def test_a_parsed_credential_does_not_show_itself(value: str) -> None:
    shown = repr(parse_credential(value))

    assert [part for part in (value, value[5:]) if part in shown] == []


@given(any_text)
def test_no_text_raises(text: str) -> None:
    assert parse_credential(text) is not None


@given(any_text)
def test_no_text_behind_the_scheme_raises(text: str) -> None:
    assert parse_credential(f"Bearer {text}") is not None


@given(random_bytes)
def test_every_generated_key_is_read_as_itself(entropy: bytes) -> None:
    secret = KeySecret.from_random(entropy)

    assert _read(f"Bearer {secret.reveal()}") == secret.digest()


@given(random_bytes, st.integers(0, 44), st.characters())
def test_a_key_with_one_character_replaced_is_never_that_key(
    entropy: bytes, position: int, character: str
) -> None:
    secret = KeySecret.from_random(entropy)
    text = secret.reveal()
    assume(text[position] != character)

    mutated = text[:position] + character + text[position + 1 :]

    assert _read(mutated) != secret.digest()


@given(random_bytes, st.integers(0, 45), st.characters())
def test_a_key_with_one_character_more_is_no_key(
    entropy: bytes, position: int, character: str
) -> None:
    text = KeySecret.from_random(entropy).reveal()

    parsed = parse_credential(text[:position] + character + text[position:])

    assert not isinstance(parsed, bytes)


@given(random_bytes, st.integers(0, 44))
def test_a_key_with_one_character_less_is_no_key(entropy: bytes, position: int) -> None:
    text = KeySecret.from_random(entropy).reveal()

    parsed = parse_credential(text[:position] + text[position + 1 :])

    assert not isinstance(parsed, bytes)


@given(any_text.filter(lambda text: not text.startswith(" ")), scheme_spellings, st.integers(1, 9))
def test_neither_the_case_of_the_scheme_nor_the_number_of_blanks_matters(
    credential: str, scheme: str, blanks: int
) -> None:
    assert _read(scheme + " " * blanks + credential) == _read(f"Bearer {credential}")
