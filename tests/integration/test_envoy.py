"""Envoy, as docker/envoy/envoy.yaml sets it up, in front of a server."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
import yaml

from orchestrator.auth import AsyncAuthClient
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import bearer, stubs_of, until
from tests.integration.support_http import get

CONFIGURATION: Final = Path(__file__).parents[2] / "docker" / "envoy" / "envoy.yaml"
FREE: Final = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
