"""The files under docker/: they name what there is, and are what Kubernetes understands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
DOCKER: Final = ROOT / "docker"
MANIFESTS: Final = sorted(
    path for path in (DOCKER / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml"
)

# Taken out when the settings read files.
SETTINGS_TO_COME: Final = {"AUTHSVC_DATABASE_URL_FILE", "AUTHSVC_ENCRYPTION_KEY_FILE"}


def read(path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_knows_every_field(path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        kubernetes_validate.validate(manifest, "1.33", strict=True)


def test_compose_knows_every_field() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    checked = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout) == (0, "ok -- validation done\n"), checked.stdout


def test_the_kustomization_names_every_manifest() -> None:
    named = read(DOCKER / "kubernetes" / "kustomization.yaml")["resources"]

    assert sorted(named) == [path.name for path in MANIFESTS]


def test_every_setting_exists() -> None:
    documented = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    known = set(re.findall(r"`(AUTHSVC_[A-Z_]+)`", documented))
    named = {
        name
        for path in DOCKER.rglob("*")
        if path.is_file()
        for name in re.findall(r"AUTHSVC_[A-Z_]+", path.read_text(encoding="utf-8"))
    }

    assert named - known == SETTINGS_TO_COME


def test_the_replicas_have_the_time_that_they_need_to_stop() -> None:
    grace = int(read(DOCKER / "kubernetes" / "configmap.yaml")["data"]["AUTHSVC_SHUTDOWN_GRACE"])
    pod = read(DOCKER / "kubernetes" / "deployment.yaml")["spec"]["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] >= grace + 15


def test_every_file_that_is_mounted_exists() -> None:
    services = read(DOCKER / "compose.yaml")["services"].values()
    mounts = [mount for service in services for mount in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]

    assert files
    assert [file for file in files if not (DOCKER / file).is_file()] == []


def test_the_database_is_out_of_reach_from_the_front() -> None:
    services = read(DOCKER / "compose.yaml")["services"]

    assert services["postgres"]["networks"] == ["database"]
    assert "database" not in services["envoy"]["networks"]


def test_only_the_front_has_a_port_on_the_host() -> None:
    services = read(DOCKER / "compose.yaml")["services"]

    assert [name for name, service in services.items() if "ports" in service] == ["envoy"]
