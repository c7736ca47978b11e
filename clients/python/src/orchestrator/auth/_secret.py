"""A string that does not show itself by accident. Depends on nothing."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """A secret text, such as an API key.

    `repr`, `str`, f-strings and logging show `**********`; pickling is refused. The text comes out
    through `reveal` only, so that a search for that word finds every place where it does.

    Example:
        >>> key = Secret("orch_0000000000000000000000000000000000000000")
        >>> print(key)
        **********
        >>> key.reveal()[:5]
        'orch_'

    Args:
        text: The secret itself.

    Raises:
        TypeError: `text` is not a `str`.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a secret is a str, not {type(text).__name__}")
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __str__(self) -> str:
        return "**********"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_octets(self._text), _octets(other._text))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled; pass on what reveal() returns if you mean to")


def revealed(secret: Secret | str) -> str:
    """Return the text of a secret that may have come as a plain `str`.

    Raises:
        TypeError: It is neither.
    """
    return (secret if isinstance(secret, Secret) else Secret(secret)).reveal()


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
