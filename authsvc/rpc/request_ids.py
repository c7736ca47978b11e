"""The id under which the log has a call, and the metadata it may come in."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterable

from authsvc.rpc.deadlines import Context
from authsvc.rpc.status import REQUEST_ID_KEY

Metadata = Iterable[tuple[str, str | bytes]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/-]{1,64}")


class RequestIds:
    """Gives every call its request id."""

    def __init__(self) -> None:
        """Begin a series of ids that no other process has."""
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def __call__(self, metadata: Metadata) -> str:
        """Return the caller's own request id where it sent a usable one, else a new one."""
        for key, _ in metadata:  # most calls bring none, and this is on the way of every call
            if key == REQUEST_ID_KEY:
                sent = metadata_values(metadata, REQUEST_ID_KEY)
                if len(sent) == 1 and _REQUEST_ID.fullmatch(sent[0]):
                    return sent[0]
                break
        return f"{self._prefix}-{next(self._numbers)}"


def metadata_of(context: Context) -> Metadata:
    """Return a call's metadata. Read it once: it is decoded anew each time."""
    return context.invocation_metadata() or ()


def metadata_values(metadata: Metadata, name: str) -> list[str]:
    """Return what a call's metadata has under a name, in order."""
    return [
        value if isinstance(value, str) else value.decode("latin-1")
        for key, value in metadata
        if key == name
    ]
