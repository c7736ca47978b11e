"""A key and a moment that tests agree on."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

EXAMPLE_KEY = "orch_" + "0" * 40
AT = Timestamp(seconds=1_700_000_000)
