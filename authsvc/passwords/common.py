"""The passwords that people use most, and the words that are long enough to be taken for one."""

from __future__ import annotations

import functools

from authsvc.domain.passwords import MIN_PASSWORD_LENGTH


def is_common_password(folded: str) -> bool:
    """Tell whether many people use a text as a password, or any dictionary has it.

    Args:
        folded: The text, without capitals.
    """
    return folded in _common()


@functools.cache
def _common() -> frozenset[str]:
    # Loaded with the first password that is set: a server that never sets one does without it.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415

    return frozenset(
        word
        for words in FREQUENCY_LISTS.values()
        for word in words
        if len(word) >= MIN_PASSWORD_LENGTH
    )
