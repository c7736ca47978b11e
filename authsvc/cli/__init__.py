"""The command `authsvc`: run the service, prepare its database, manage keys."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line."""
    # gRPC's core reads this when it is loaded. What it would print to standard error is not one of
    # our log lines, and what matters of it comes as an error too; GRPC_VERBOSITY=info shows it.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from authsvc.cli.commands import run  # noqa: PLC0415 - loads gRPC

    run()
