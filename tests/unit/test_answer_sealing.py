"""Kept answers: nothing in them leads to a secret without the request id."""

from __future__ import annotations

import os
import uuid

import pytest

from authsvc.tokens.answer_sealing import AnswerSealer
from authsvc.tokens.sealing import SealBroken
from tests.unit.examples import FAKE_KEY, KEY_ID

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
REQUEST_ID = "3f8e1c52-9d0b-4f6a-8c1e-2b7d5a904c11"
OTHER_REQUEST_ID = "3f8e1c52-9d0b-4f6a-8c1e-2b7d5a904c12"
SECRET = FAKE_KEY.encode()
SEALER = AnswerSealer(KEY, os.urandom)
OTHER_SEALER = AnswerSealer(OTHER_KEY, os.urandom)


@pytest.mark.parametrize("request_id", [REQUEST_ID, REQUEST_ID.upper()])
def test_the_same_request_opens_its_answer(request_id: str) -> None:
    assert SEALER.open(request_id, SEALER.seal(REQUEST_ID, SECRET, KEY_ID), KEY_ID) == SECRET


@pytest.mark.parametrize(
    ("sealer", "request_id", "key_id"),
    [
        pytest.param(SEALER, OTHER_REQUEST_ID, KEY_ID, id="another request id"),
        pytest.param(OTHER_SEALER, REQUEST_ID, KEY_ID, id="another encryption key"),
        pytest.param(SEALER, REQUEST_ID, "key_other", id="another key's answer"),
    ],
)
def test_nothing_else_opens_it(sealer: AnswerSealer, request_id: str, key_id: str) -> None:
    sealed = SEALER.seal(REQUEST_ID, SECRET, KEY_ID)

    with pytest.raises(SealBroken):
        sealer.open(request_id, sealed, key_id)


def test_a_broken_seal_does_not_tell_the_request_id() -> None:
    with pytest.raises(SealBroken) as caught:
        SEALER.open(REQUEST_ID, b"", KEY_ID)

    assert REQUEST_ID not in str(caught.value)


def test_a_request_is_known_by_its_digest_however_its_id_is_written() -> None:
    digest = SEALER.digest("CreateKey", KEY_ID, REQUEST_ID)

    assert len(digest) == 32
    assert SEALER.digest("CreateKey", KEY_ID, REQUEST_ID.upper()) == digest


@pytest.mark.parametrize(
    ("sealer", "other"),
    [
        pytest.param(SEALER, ("RotateKey", KEY_ID, REQUEST_ID), id="method"),
        pytest.param(SEALER, ("CreateKey", "user_1", REQUEST_ID), id="caller"),
        pytest.param(SEALER, ("CreateKey", KEY_ID, OTHER_REQUEST_ID), id="request id"),
        pytest.param(OTHER_SEALER, ("CreateKey", KEY_ID, REQUEST_ID), id="encryption key"),
    ],
)
def test_another_request_has_another_digest(
    sealer: AnswerSealer, other: tuple[str, str, str]
) -> None:
    assert sealer.digest(*other) != SEALER.digest("CreateKey", KEY_ID, REQUEST_ID)


@pytest.mark.parametrize(
    ("sealer", "request_id", "arguments"),
    [
        pytest.param(SEALER, REQUEST_ID, b"b", id="arguments"),
        pytest.param(SEALER, OTHER_REQUEST_ID, b"a", id="request id"),
        pytest.param(OTHER_SEALER, REQUEST_ID, b"a", id="encryption key"),
    ],
)
def test_a_fingerprint_is_of_arguments_request_and_encryption_key(
    sealer: AnswerSealer, request_id: str, arguments: bytes
) -> None:
    fingerprint = SEALER.fingerprint(REQUEST_ID, b"a")

    assert fingerprint == SEALER.fingerprint(REQUEST_ID.upper(), b"a")
    assert sealer.fingerprint(request_id, arguments) != fingerprint


def test_what_is_kept_holds_neither_request_id_nor_secret() -> None:
    kept = b"".join(
        (
            SEALER.seal(REQUEST_ID, SECRET, KEY_ID),
            SEALER.digest("CreateKey", KEY_ID, REQUEST_ID),
            SEALER.fingerprint(REQUEST_ID, b"a"),
        )
    )

    for part in (SECRET, SECRET[5:], REQUEST_ID.encode(), uuid.UUID(REQUEST_ID).bytes):
        assert part not in kept


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_an_encryption_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AnswerSealer(bytes(length), os.urandom)
