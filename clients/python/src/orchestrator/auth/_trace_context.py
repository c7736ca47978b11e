"""The context of the running trace, passed on where the program uses OpenTelemetry."""

from __future__ import annotations

import sys


def trace_context() -> tuple[tuple[str, str], ...]:
    """Return what the program's propagators say of the running trace; nothing without one.

    OpenTelemetry is not loaded for it: a program that has not loaded it has no trace.
    """
    if "opentelemetry.trace" not in sys.modules:
        return ()
    from opentelemetry import propagate  # noqa: PLC0415 - there only where it is used

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple((name.lower(), value) for name, value in carrier.items())
