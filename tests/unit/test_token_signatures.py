"""Keys taken for what they are not: TOKEN_INVALID, and no exception.

The forgeries that have a name are in the list of attacks.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import pytest

from authsvc.domain.signing_keys import SigningAlgorithm
from tests.unit.forging import Issuer, is_accepted, sign

Issuers = Mapping[SigningAlgorithm, Issuer]
HS256 = SigningAlgorithm.HS256


@pytest.mark.parametrize("named", SigningAlgorithm)
@pytest.mark.parametrize("signed", SigningAlgorithm)
@pytest.mark.parametrize("kid_of", SigningAlgorithm)
async def test_only_the_keys_own_algorithm_is_accepted(
    issuers: Issuers,
    kid_of: SigningAlgorithm,
    signed: SigningAlgorithm,
    named: SigningAlgorithm,
) -> None:
    header = {"alg": named.value, "kid": issuers[kid_of].kid, "typ": "at+jwt"}
    token = issuers[signed].token(header=header)

    accepted = await is_accepted(token, *issuers.values())

    assert accepted == (kid_of is signed is named)


@pytest.mark.parametrize("token", ["..", "a..", ".a.", "a.b.c", "=.=.=", "é.é.é", "\0.\0.\0"])
async def test_a_token_of_nothing_is_invalid(issuers: Issuers, token: str) -> None:
    assert not await is_accepted(token, *issuers.values())


def test_the_signing_of_the_tests_is_that_of_the_algorithm() -> None:
    assert sign(HS256, b"k" * 32, b"m") == hmac.digest(b"k" * 32, b"m", hashlib.sha256)
