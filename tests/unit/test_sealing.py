"""The encryption of private keys at rest."""

from __future__ import annotations

import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from authsvc.tokens.sealing import SealBroken, Sealer

KEY = bytes(range(32))
NONCE = bytes(12)
SEALER = Sealer(KEY, lambda length: NONCE[:length])
SEALED = SEALER.seal(b"private part", "label")


def test_what_was_sealed_is_opened() -> None:
    assert SEALER.open(SEALED, "label") == b"private part"


@given(st.binary(max_size=2000), st.text(max_size=60))
def test_every_secret_is_opened_under_its_label(secret: bytes, label: str) -> None:
    sealer = Sealer(KEY, os.urandom)

    assert sealer.open(sealer.seal(secret, label), label) == secret


def test_the_form_is_a_version_a_nonce_and_the_text_with_its_tag() -> None:
    text = AESGCM(KEY).encrypt(NONCE, b"private part", b"label")

    assert b"\x01" + NONCE + text == SEALED


def test_each_sealing_takes_a_new_nonce() -> None:
    sealer = Sealer(KEY, os.urandom)

    assert sealer.seal(b"x", "label") != sealer.seal(b"x", "label")


def test_the_secret_does_not_stand_in_the_sealed_form() -> None:
    assert b"private" not in SEALED


@pytest.mark.parametrize("position", range(len(SEALED)))
def test_an_altered_byte_breaks_the_seal_wherever_it_is(position: int) -> None:
    altered = bytearray(SEALED)
    altered[position] ^= 0x01

    with pytest.raises(SealBroken):
        SEALER.open(bytes(altered), "label")


@pytest.mark.parametrize("length", range(len(SEALED)))
def test_a_cut_off_value_breaks_the_seal_wherever_it_ends(length: int) -> None:
    with pytest.raises(SealBroken):
        SEALER.open(SEALED[:length], "label")


def test_a_byte_behind_it_breaks_the_seal() -> None:
    with pytest.raises(SealBroken):
        SEALER.open(SEALED + b"\0", "label")


@pytest.mark.parametrize("label", ["", "Label", "label ", "label2"])
def test_another_label_breaks_the_seal(label: str) -> None:
    with pytest.raises(SealBroken):
        SEALER.open(SEALED, label)


def test_another_key_breaks_the_seal() -> None:
    with pytest.raises(SealBroken):
        Sealer(bytes(32), os.urandom).open(SEALED, "label")


def test_a_broken_seal_is_told_by_its_label_and_the_setting_to_mend() -> None:
    with pytest.raises(SealBroken, match=r"^other cannot be opened .*AUTHSVC_ENCRYPTION_KEY"):
        SEALER.open(SEALED, "other")


def test_a_broken_seal_has_no_cause_of_the_librarys() -> None:
    with pytest.raises(SealBroken) as caught:
        SEALER.open(SEALED, "other")

    assert not isinstance(caught.value.__cause__, InvalidTag)


@pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="has 32 bytes"):
        Sealer(bytes(length), os.urandom)
