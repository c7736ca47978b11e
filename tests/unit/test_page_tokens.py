"""Page tokens: bound to their listing, and not to be forged."""

from __future__ import annotations

import base64
import string

import pytest

from authsvc.tokens.page_tokens import PageTokens

TOKENS = PageTokens(b"k" * 32)


def test_a_token_gives_back_its_position() -> None:
    assert TOKENS.read(TOKENS.make("here", "listing"), "listing") == "here"


def test_a_token_is_no_good_for_another_listing() -> None:
    assert TOKENS.read(TOKENS.make("here", "listing"), "other") is None


def test_a_token_of_another_key_is_no_good() -> None:
    assert TOKENS.read(PageTokens(b"x" * 32).make("here", "listing"), "listing") is None


def test_a_letter_moved_between_position_and_listing_is_noticed() -> None:
    mac = base64.urlsafe_b64decode(TOKENS.make("ab", "cd") + "==")[:32]
    forged = base64.urlsafe_b64encode(mac + b"abc").decode().rstrip("=")

    assert TOKENS.read(forged, "d") is None


def test_every_altered_byte_is_noticed() -> None:
    data = base64.urlsafe_b64decode(TOKENS.make("position", "listing") + "==")
    for index in range(len(data)):
        altered = bytearray(data)
        altered[index] ^= 1
        token = base64.urlsafe_b64encode(altered).decode().rstrip("=")
        assert TOKENS.read(token, "listing") is None


@pytest.mark.parametrize("token", ["", "x", "====", "é", "!!!!", "AAAA", "\x00"])
def test_what_is_no_token_is_no_good(token: str) -> None:
    assert TOKENS.read(token, "listing") is None


@pytest.mark.parametrize("position", ["a", "ab", "abc"])
def test_a_token_has_one_text_only(position: str) -> None:
    token = TOKENS.make(position, "listing")
    letters = string.ascii_letters + string.digits + "-_"
    others = [token[:-1] + letter for letter in letters if letter != token[-1]]

    for other in (*others, token + "=", token + "=="):
        assert TOKENS.read(other, "listing") is None
