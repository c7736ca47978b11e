"""Email addresses: which are taken, and which are the same."""

from __future__ import annotations

import pytest

from authsvc.domain.emails import read_email

FULLWIDTH_A, DECOMPOSED = "\N{FULLWIDTH LATIN SMALL LETTER A}", "u\N{COMBINING DIAERESIS}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.Byron+x@Example.COM", "Ada.Byron+x@example.com"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
        (f"{DECOMPOSED}@example.com", "ü@example.com"),
    ],
)
def test_an_address_is_shown_as_it_was_written_but_for_its_domain(text: str, shown: str) -> None:
    email = read_email(text)

    assert email is not None
    assert email.text == shown


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.com", "ADA@EXAMPLE.COM"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada@bücher.example"),
        ("ü@example.com", f"{DECOMPOSED}@example.com"),
        ("ada@example.com", f"{FULLWIDTH_A}da@example.com"),
        ("straße@example.com", "STRASSE@example.com"),
    ],
)
def test_spellings_of_one_address_have_one_key(one: str, other: str) -> None:
    first, second = read_email(one), read_email(other)

    assert first is not None
    assert second is not None
    assert first.key == second.key


@pytest.mark.parametrize("other", ["ada@example.org", "ada.b@example.com", "ada+x@example.com"])
def test_other_addresses_have_other_keys(other: str) -> None:
    first, second = read_email("ada@example.com"), read_email(other)

    assert first is not None
    assert second is not None
    assert first.key != second.key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "ada@test.invalid",
        "a b@example.com",
        "ada@example.com\n",
        " ada@example.com",
        "Ada <ada@example.com>",
        "ada@[192.0.2.1]",
        "a" * 65 + "@example.com",
        "ada@" + "a" * 250 + ".com",
        "ada@exam\x00ple.com",
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert read_email(text) is None


def test_the_local_part_is_what_stands_before_the_last_at() -> None:
    email = read_email("Ada@example.com")

    assert email is not None
    assert email.local_part == "Ada"
