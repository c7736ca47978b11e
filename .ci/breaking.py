"""Check that the protos break no caller of what is on main.

Compares with main, or, where main itself is checked out, with the commit before.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).parent / "buf"


def git(*arguments: str) -> str | None:
    """Return what git prints, or None when it has nothing to say."""
    command = [shutil.which("git") or "git", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    return result.stdout.strip() if result.returncode == 0 else None


def main() -> int:
    """Run `buf breaking` against the right commit."""
    head, branch = git("rev-parse", "HEAD"), git("rev-parse", "--verify", "main")
    base = branch if branch not in {None, head} else git("rev-parse", "--verify", "HEAD~1")
    if base is None or git("cat-file", "-e", f"{base}:buf.yaml") is None:
        print("no earlier protos to compare with")
        return 0
    command = [str(BUF), "breaking", "--against", f".git#ref={base}"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
