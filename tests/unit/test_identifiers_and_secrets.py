"""Identifiers, the secrets of keys, and how much time a call has left."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain import ids
from authsvc.domain.clock import TimeLimit
from authsvc.domain.key_secrets import KeySecret, digest_of, is_key_secret
from tests.unit.examples import FAKE_KEY, KEY_ID

PREFIXES = [ids.ACCOUNT, ids.KEY, ids.SIGNING_KEY]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_new_id_is_an_id_of_its_kind(prefix: str) -> None:
    assert ids.is_id(ids.new_id(prefix), prefix)


def test_new_ids_differ() -> None:
    assert len({ids.new_id(ids.KEY) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("key", id="prefix alone"),
        pytest.param("key_", id="no suffix"),
        pytest.param(KEY_ID[:-1], id="short"),
        pytest.param(KEY_ID + "0", id="long"),
        pytest.param(KEY_ID.upper(), id="upper case"),
        pytest.param("acct_" + "0" * 26, id="another kind"),
        pytest.param("0" * 26, id="no prefix"),
        pytest.param("key_8" + "0" * 25, id="more than 128 bits"),
        pytest.param("key_" + "0" * 25 + "i", id="letter outside the alphabet"),
        pytest.param("key_" + "0" * 25 + "u", id="another such letter"),
        pytest.param(KEY_ID + "\n", id="newline behind"),
        pytest.param("key__" + "0" * 26, id="two underscores"),
        pytest.param("key_" + "\u0660" * 26, id="other digits"),
    ],
)
def test_text_of_another_form_is_no_id(text: str) -> None:
    assert not ids.is_id(text, ids.KEY)


def test_the_secret_is_the_prefix_and_the_random_bytes_in_lower_case() -> None:
    assert KeySecret.from_random(bytes(range(236, 256))).reveal() == (
        "orch_ecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
    )


@given(st.binary(min_size=20, max_size=20))
def test_every_generated_secret_has_the_form_of_one(entropy: bytes) -> None:
    assert is_key_secret(KeySecret.from_random(entropy).reveal())


@pytest.mark.parametrize("length", [0, 16, 19, 21, 32])
def test_another_number_of_random_bytes_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="20 random bytes"):
        KeySecret.from_random(bytes(length))


@pytest.mark.parametrize("text", ["", FAKE_KEY[:-1], FAKE_KEY + "\n", FAKE_KEY.upper(), "hunter2"])
def test_text_of_another_form_is_no_secret(text: str) -> None:
    with pytest.raises(ValueError, match="not the form of an API key"):
        KeySecret(text)


def test_a_refused_secret_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="form") as caught:
        KeySecret("hunter2hunter2")

    assert "hunter2" not in str(caught.value)


def test_the_digest_is_sha_256_of_the_whole_secret() -> None:
    assert KeySecret(FAKE_KEY).digest() == hashlib.sha256(FAKE_KEY.encode()).digest()


def test_the_digest_of_a_text_is_that_of_the_secret() -> None:
    assert digest_of(FAKE_KEY) == KeySecret(FAKE_KEY).digest()


def test_the_hint_is_the_first_and_last_four_characters() -> None:
    assert KeySecret("orch_1a2b" + "0" * 32 + "c3d4").hint() == "orch_1a2b…c3d4"


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r:>40}".format, "%s".__mod__])
def test_a_secret_shows_itself_nowhere(show: object) -> None:
    assert callable(show)
    assert FAKE_KEY[5:] not in show(KeySecret(FAKE_KEY))


def test_a_secret_in_a_collection_shows_itself_nowhere() -> None:
    assert FAKE_KEY[5:] not in str({"secret": [KeySecret(FAKE_KEY)]})


def test_a_limit_begins_with_all_its_seconds() -> None:
    assert TimeLimit(2.5, lambda: 100.0).remaining() == 2.5


def test_a_limit_shrinks_with_the_monotonic_clock() -> None:
    times = iter([100.0, 101.5])

    assert TimeLimit(2.0, lambda: next(times)).remaining() == 0.5


def test_a_limit_that_is_over_has_less_than_nothing_left() -> None:
    times = iter([100.0, 103.0])

    assert TimeLimit(2.0, lambda: next(times)).remaining() == -1.0
