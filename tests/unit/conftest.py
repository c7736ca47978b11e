"""What unit tests share."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from hypothesis import settings

from authsvc.domain.signing_keys import SigningAlgorithm
from tests.unit.forging import Issuer

# Timing belongs in benchmarks; a busy machine must not fail a property.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


@pytest.fixture(scope="session")
def issuers() -> Mapping[SigningAlgorithm, Issuer]:
    """One key of each algorithm; made once, since RSA keys take their time."""
    return {algorithm: Issuer.with_new_key(algorithm, os.urandom) for algorithm in SigningAlgorithm}
