"""The id under which the log has a call, and the metadata it may come in."""

from __future__ import annotations

import itertools
import re
import secrets

from authsvc.rpc.deadlines import Context
from authsvc.rpc.status import REQUEST_ID_KEY

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/-]{1,64}")


class RequestIds:
    """Gives every call its request id."""

    def __init__(self) -> None:
        """Begin a series of ids that no other process has."""
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def __call__(self, context: Context) -> str:
        """Return the caller's own request id where it sent a usable one, else a new one."""
        sent = metadata_values(context, REQUEST_ID_KEY)
        if len(sent) == 1 and _REQUEST_ID.fullmatch(sent[0]):
            return sent[0]
        return f"{self._prefix}-{next(self._numbers)}"


def metadata_values(context: Context, name: str) -> list[str]:
    """Return what a call's metadata has under a name, in order."""
    return [
        value if isinstance(value, str) else value.decode("latin-1")
        for key, value in context.invocation_metadata() or ()
        if key == name
    ]
