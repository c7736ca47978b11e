"""Which fields of a message an update is about."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import Message


def paths_set_in(message: Message, paths: Sequence[str]) -> tuple[str, ...]:
    """Return those of the fields that are set, for a request without a mask (AIP-134)."""
    return tuple(path for path in paths if getattr(message, path))
