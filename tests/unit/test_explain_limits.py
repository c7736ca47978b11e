"""A key over its own rate limit is told of it, with its numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from authsvc.domain.denials import DenialReason
from authsvc.domain.findings import FindingCode as Code
from authsvc.domain.rate_limits import RateLimit
from authsvc.rate_limits.in_process import InProcessLimits
from tests.unit.examples import KEY_ID
from tests.unit.explaining import (
    BARE,
    NO_USE,
    SECRET,
    UPPER,
    a_key,
    codes_of,
    explaining,
    reason_of,
)

ONE_A_MINUTE = RateLimit(1, timedelta(minutes=1))

WAIT = "Wait until the next request passes; send fewer, or have the key's rate limit raised."


def used_up() -> InProcessLimits:
    limits = InProcessLimits(capacity=10, monotonic=lambda: 0.0)
    limits.take_now(KEY_ID, ONE_A_MINUTE)
    return limits


async def test_a_limit_that_is_not_used_up_is_no_finding() -> None:
    explain = explaining(a_key(rate_limit=ONE_A_MINUTE))

    for _ in range(3):
        assert not (await explain(SECRET)).findings


async def test_a_used_up_limit_is_told_with_its_numbers() -> None:
    known = a_key(rate_limit=ONE_A_MINUTE)

    explanation = await explaining(known, limits=used_up())(SECRET)

    assert reason_of(explanation) is DenialReason.RATE_LIMITED
    assert explanation.key == known.key
    assert [finding.text for finding in explanation.findings] == [
        "its rate limit is used up: 1 in 60 s; the next request passes in 60 s"
    ]
    assert explanation.hint == WAIT


@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        (BARE, [Code.PREFIX_MISSING, Code.MENDED_IS_KNOWN]),
        (
            UPPER,
            [
                Code.UPPER_CASE_HEXADECIMAL,
                Code.KEY_UNKNOWN,
                Code.LOWER_CASE_IS_KNOWN,
                Code.MENDED_IS_KNOWN,
            ],
        ),
    ],
)
async def test_a_used_up_limit_is_told_of_what_is_a_key_when_mended(
    sent: str, codes: list[Code]
) -> None:
    explain = explaining(a_key(rate_limit=ONE_A_MINUTE), limits=used_up())

    explanation = await explain(sent)

    assert codes_of(explanation) == [*codes, Code.RATE_LIMIT_REACHED]
    assert explanation.hint == f"{NO_USE} {WAIT}"


async def test_a_limited_key_in_upper_case_is_no_other_key() -> None:
    known = {UPPER: a_key(rate_limit=ONE_A_MINUTE)}

    explanation = await explaining(keys=known, limits=used_up())(UPPER)

    assert codes_of(explanation) == [Code.RATE_LIMIT_REACHED]


async def test_other_faults_of_a_key_come_before_its_used_up_limit() -> None:
    known = a_key(rate_limit=ONE_A_MINUTE, disabled=True)

    explanation = await explaining(known, limits=used_up())(SECRET)

    assert codes_of(explanation) == [Code.KEY_DISABLED]
