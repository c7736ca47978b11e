"""The rules of new passwords, and that no password shows itself."""

from __future__ import annotations

import copy
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.passwords import (
    MAX_PASSWORD_LENGTH,
    MIN_PASSWORD_LENGTH,
    Password,
    find_password_fault,
)
from authsvc.passwords.common import is_common_password

NAMES = ("Ada.Byron@example.com", "Analytical Engines")


def fault_of(text: str) -> str | None:
    return find_password_fault(Password(text), names=NAMES, is_common=is_common_password)


@pytest.mark.parametrize(
    "text",
    [
        "correct horse battery staple",
        "abcdefghijkl",
        "            x",
        "\N{ROBOT FACE}\N{PILE OF POO}\N{SNOWMAN}\N{COMET}\N{UMBRELLA}\N{HOT BEVERAGE}abcdef",
        "пароль-из-слов",
        "x" * 11 + "y" * (MAX_PASSWORD_LENGTH - 11),
        "correct horse correct horse ",
        "my name is ada.byron@example.com",
    ],
)
def test_a_password_of_any_characters_is_good_when_it_is_long_enough(text: str) -> None:
    assert fault_of(text) is None


@pytest.mark.parametrize("text", ["", "x", "abcdefghijk", "Tr0ub4dor&3"])
def test_a_short_password_is_refused(text: str) -> None:
    assert "at least 12 characters" in (fault_of(text) or "")


@pytest.mark.parametrize(
    "text", ["x" * 12, "abcabcabcabc", "passwordpassword", "12341234123412341234"]
)
def test_a_repetition_is_as_long_as_what_it_repeats(text: str) -> None:
    assert fault_of(text) == "is not a short text again and again"


def test_a_password_is_as_long_as_its_normal_form() -> None:
    ligature = "\N{LATIN SMALL LIGATURE FFI}"
    assert len(unicodedata.normalize("NFKC", ligature)) == 3

    assert fault_of(ligature + "abcdefghi") is None
    assert fault_of("a\N{COMBINING DIAERESIS}" + "bcdefghijk") is not None


def test_a_long_password_is_refused() -> None:
    assert "at most 1024" in (fault_of("ab" * 512 + "c") or "")


def test_a_password_whose_normal_form_is_too_long_is_refused() -> None:
    # One character that NFKC makes eighteen of.
    assert "at most 1024" in (
        fault_of("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 60) or ""
    )


@pytest.mark.parametrize("text", ["unbelievable", "INTERNATIONAL", "1q2w3e4r5t6y"])
def test_what_many_people_use_is_refused_in_any_case(text: str) -> None:
    assert fault_of(text) == "is not one of the passwords that many people use"


def test_there_are_common_passwords() -> None:
    assert is_common_password("unbelievable")
    assert not is_common_password("correct horse battery")


@pytest.mark.parametrize(
    "text",
    ["ada.byron@example.com", "ADA.BYRON@EXAMPLE.COM", "analytical engines", "Orchestrator"],
)
def test_what_others_know_of_the_user_is_refused(text: str) -> None:
    assert "email address" in (fault_of(text) or "")


@given(st.text(min_size=1, max_size=40))
def test_no_fault_repeats_the_password(text: str) -> None:
    fault = fault_of(text)

    if fault is not None and len(text) >= 4:
        # What the rules say of themselves is no secret.
        assert text not in fault or text in "has at least characters"


@given(st.text(max_size=40))
def test_all_ways_to_type_a_password_are_the_same(text: str) -> None:
    decomposed = unicodedata.normalize("NFD", text)

    assert Password(decomposed).encoded() == Password(text).encoded()


def test_a_password_does_not_show_itself() -> None:
    password = Password("correct horse battery")

    shown = f"{password} {password!r} {[password]} {copy.copy(password)}"

    assert "horse" not in shown
    assert password.reveal() == "correct horse battery"


def test_what_is_hashed_is_bounded() -> None:
    assert len(Password("\N{ROBOT FACE}" * 1_000_000).encoded()) <= 4 * MAX_PASSWORD_LENGTH + 1


def test_a_password_past_the_bound_is_not_the_one_it_begins_with() -> None:
    longest = Password("\N{ROBOT FACE}" * MAX_PASSWORD_LENGTH)
    longer = Password("\N{ROBOT FACE}" * (MAX_PASSWORD_LENGTH + 1))

    assert longest.encoded() != longer.encoded()


def test_the_least_length_is_that_of_the_guidelines_and_some_more() -> None:
    assert MIN_PASSWORD_LENGTH >= 8
