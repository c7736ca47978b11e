"""How long each step of a process's end may take, once its running calls had their grace.

One after the other. The supervisor of several workers, the images and the manifests wait for the
sum, so a step that is added or takes longer belongs here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

WRITING_SECONDS: Final = 10.0
"""To write what was counted of usage and denied of calls."""
HTTP_SECONDS: Final = 2
"""To finish running requests: no answer takes longer than the database may, and connections
without a request are closed at once."""
RELEASING_SECONDS: Final = 1.0
"""For an interrupted statement to end before its connection is given up."""
POOL_SECONDS: Final = 1.0
"""To close the connections to the database, after that."""
TRACES_SECONDS: Final = 3.0
"""To export the last spans."""
_REST_SECONDS: Final = 3.0
"""What has no limit of its own and takes moments: a running password hash, the interpreter."""

LONGEST_END: Final = timedelta(
    seconds=WRITING_SECONDS
    + HTTP_SECONDS
    + RELEASING_SECONDS
    + POOL_SECONDS
    + TRACES_SECONDS
    + _REST_SECONDS
)
"""How long a process may take to end after the notice and the grace."""
