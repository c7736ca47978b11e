"""Print the dashboard, as Grafana reads it: `make dashboard` writes it to its place."""

from __future__ import annotations

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from docker.grafana.board import board


def main() -> None:
    """Print the dashboard as JSON."""
    json.dump(board(), sys.stdout, cls=JSONEncoder, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
