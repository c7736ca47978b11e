"""The files under docker/ are what Kubernetes, Compose, Envoy and hadolint understand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import kubernetes_validate
import pytest
import yaml

DOCKER: Final = Path(__file__).parents[2] / "docker"
MANIFESTS: Final = sorted(
    path for path in (DOCKER / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml"
)


def check(tool: str, *arguments: str | Path) -> str:
    """Run a tool that packages bring where they have it for the platform; its output."""
    found = shutil.which(tool, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"there is no {tool} for this platform")
    checked = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return checked.stdout + checked.stderr


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_knows_every_field(path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        kubernetes_validate.validate(manifest, "1.33", strict=True)


def test_compose_knows_every_field() -> None:
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml")


def test_envoy_takes_its_configuration_and_warns_of_nothing() -> None:
    said = check(
        "envoy", "--mode", "validate", "-l", "warning", "-c", DOCKER / "envoy" / "envoy.yaml"
    )

    assert said.splitlines() == [f"configuration '{DOCKER}/envoy/envoy.yaml' OK"]


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    check("hadolint", DOCKER / "Dockerfile")
