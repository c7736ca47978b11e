"""The client is fully typed for its users, and needs no more than it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def run(*arguments: str | Path) -> None:
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def strictly_typed(tmp_path: Path, *files: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\nwarn_unreachable = True\n", encoding="utf-8")
    cache = tmp_path / "cache"
    run("-m", "mypy", "--config-file", config, "--cache-dir", cache, *files)


def test_consumers_are_strictly_typed(tmp_path: Path) -> None:
    files = sorted((HERE / "consumer").glob("*.py"))

    assert len(files) == 4
    strictly_typed(tmp_path, *files)


def test_the_examples_of_the_readme_are_strictly_typed(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    files = [tmp_path / f"example_{number}.py" for number, _ in enumerate(blocks)]
    for file, block in zip(files, blocks, strict=True):
        file.write_text(block, encoding="utf-8")

    assert len(files) >= 3
    strictly_typed(tmp_path, *files)


def test_the_stubs_can_be_imported_alone() -> None:
    run("-c", "from orchestrator.auth.v1 import auth_service_pb2 as a; a.RevokeKeyRequest()")


def test_the_client_needs_grpc_and_protobuf_only() -> None:
    run(
        "-c",
        """if True:
        import sys

        class Forbid:
            def find_spec(self, name, path=None, target=None):
                assert name not in ("google.rpc", "grpc_status", "jwt", "cryptography"), name

        sys.meta_path.insert(0, Forbid())
        import orchestrator.auth
        """,
    )


def test_nothing_of_the_client_is_in_the_default_descriptor_pool() -> None:
    run(
        "-c",
        """if True:
        import orchestrator.auth
        from google.protobuf.descriptor_pool import Default

        for name in ("google.rpc.Status", "orchestrator_auth_client.Status"):
            try:
                Default().FindMessageTypeByName(name)
            except KeyError:
                continue
            raise AssertionError(name)
        """,
    )
