"""What the closed sets of words have in common. Depends on nothing.

Each mirrors the proto enum of the same name, without the prefix. A value that a newer server sends
and this version of the client does not know reads as `UNKNOWN`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Word(StrEnum):
    """Values equal their names: `DenialReason.KEY_REVOKED == "KEY_REVOKED"`."""

    @staticmethod
    def _generate_next_value_(name: str, *_: object) -> str:
        return name

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return None if value == "UNKNOWN" else cls("UNKNOWN")
