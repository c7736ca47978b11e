"""On what the figures were taken: hardware and versions, without names or paths of the machine."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

from google.protobuf.internal import api_implementation

_PACKAGES: Final = ("grpcio", "uvloop", "asyncpg")
_GIB: Final = 1024**3


def describe(postgres_version: str, h2load_version: str | None = None) -> dict[str, str]:
    """Return the description, by what is described."""
    return {
        "Processor": f"{_cpu_model()}, {_cores()} cores",
        "Memory": f"{_memory_bytes() / _GIB:.0f} GiB",
        "Kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: version(name) for name in _PACKAGES},
        "protobuf": f"{version('protobuf')} ({api_implementation.Type()})",
        "PostgreSQL": postgres_version,
        **({"h2load": h2load_version.removeprefix("h2load ")} if h2load_version else {}),
        "authsvc": version("authsvc"),
        "Load average at the start": f"{os.getloadavg()[0]:.2f}",
    }


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
