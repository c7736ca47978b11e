"""Update masks (AIP-161): which fields of a resource a request changes."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from authsvc.domain.bounds import Violations


def check_paths(
    violations: Violations,
    paths: Sequence[str],
    allowed: Sequence[str],
    others: AbstractSet[str],
) -> None:
    """Check the paths of a mask.

    Args:
        violations: Collects what is wrong.
        paths: The paths; at least one is needed.
        allowed: Those that can be changed.
        others: The other fields of the resource. Their names may be repeated in an answer, for
            anything else may be what should not be on the wire.
    """
    if not paths:
        violations.add("update_mask", f"names at least one of {', '.join(allowed)}")
    for index, path in enumerate(paths):
        if path not in allowed:
            shown = path if path == "*" or path in others else "this path"
            violations.add(
                f"update_mask.paths[{index}]",
                f"is one of {', '.join(allowed)}; {shown} is not among them",
            )
