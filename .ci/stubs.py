"""Generate the Python stubs from `protos/`, or check that the committed ones are fresh.

Usage: `python .ci/stubs.py` writes them; `python .ci/stubs.py --check` generates into a
temporary directory, compares both ways and exits 1 when anything differs.
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
OUTPUT = ROOT / "clients" / "python" / "src"
PACKAGE = Path("orchestrator") / "auth" / "v1"
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def protoc(output: Path, files: list[Path], *plugins: str) -> None:
    """Run protoc over the files, with each plugin writing below `output`."""
    outputs = [f"--{plugin}_out={output}" for plugin in plugins]
    names = [str(file.relative_to(PROTOS)) for file in files]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *outputs, *names]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    subprocess.run(command, check=True, env=environment)  # noqa: S603


def generate(output: Path) -> None:
    """Generate messages for every file, and service stubs for those that define services."""
    files = sorted(PROTOS.rglob("*.proto"))
    services = [file for file in files if "\nservice " in file.read_text(encoding="utf-8")]
    protoc(output, files, "python", "mypy")
    protoc(output, services, "grpc_python", "mypy_grpc")


def generated_files(directory: Path) -> set[str]:
    """Return the names of the generated files below `directory`."""
    return {path.name for pattern in GENERATED for path in (directory / PACKAGE).glob(pattern)}


def stale(fresh: Path) -> list[str]:
    """Return what differs between the committed stubs and the fresh ones."""
    old, new = generated_files(OUTPUT), generated_files(fresh)
    changed = [
        name
        for name in old & new
        if not filecmp.cmp(OUTPUT / PACKAGE / name, fresh / PACKAGE / name, shallow=False)
    ]
    return sorted(
        [f"missing: {n}" for n in new - old]
        + [f"left over: {n}" for n in old - new]
        + [f"stale: {n}" for n in changed]
    )


def main() -> int:
    """Generate, or check, as the command line says."""
    if "--check" not in sys.argv[1:]:
        for name in generated_files(OUTPUT):
            (OUTPUT / PACKAGE / name).unlink()
        generate(OUTPUT)
        return 0
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        differences = stale(Path(directory))
    for difference in differences:
        print(f"{PACKAGE}: {difference}; run `make proto` and commit the result", file=sys.stderr)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
