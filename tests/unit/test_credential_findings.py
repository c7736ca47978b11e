"""What is found about broken credentials, and that nothing of them is repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.credential_findings import read_form
from authsvc.domain.findings import FindingCode as Code

BODY = "0" * 36 + "1a2b"
KEY = "orch_" + BODY
JWT = "eyJhIjoxfQ.eyJiIjoyfQ.c2ln"

BROKEN = [
    ("", [Code.NOTHING_SENT]),
    ("\n", [Code.WHITE_SPACE_BEFORE, Code.NOTHING_SENT]),
    ("Bearer", [Code.ONLY_SCHEME]),
    ("Bearer ", [Code.ONLY_SCHEME]),
    ("x" * 8193, [Code.OVER_LIMIT]),
    (f"Bearer Bearer {KEY}", [Code.SCHEME_DOUBLED]),
    (f"Authorization: Bearer {KEY}", [Code.HEADER_NAME]),
    (f"Basic {KEY}", [Code.OTHER_SCHEME]),
    (f"Token {KEY}", [Code.OTHER_SCHEME]),
    (f"Bearer{KEY}", [Code.BLANK_MISSING]),
    (f'"{KEY}"', [Code.QUOTED]),
    (f"\u201c{KEY}\u201d", [Code.QUOTED]),
    (f" {KEY}", [Code.WHITE_SPACE_BEFORE]),
    (f"{KEY} ", [Code.WHITE_SPACE_BEHIND]),
    (f"{KEY}\n", [Code.LINE_BREAK_BEHIND]),
    (f"{KEY}\r\n", [Code.LINE_BREAK_BEHIND]),
    (f"{KEY},", [Code.PUNCTUATION_BEHIND]),
    (f"\ufeff{KEY}", [Code.NOT_ASCII]),
    (f"orch_\u200b{BODY}", [Code.NOT_ASCII]),
    (f"sk_{BODY}", [Code.PREFIX_WRONG]),
    (f"orch-{BODY}", [Code.PREFIX_WRONG]),
    (f"ORCH_{BODY}", [Code.PREFIX_UPPER_CASE]),
    (BODY, [Code.PREFIX_MISSING]),
    (f"orch_{KEY}", [Code.PREFIX_DOUBLED]),
    (KEY[:30], [Code.TRUNCATED]),
    (KEY + "00", [Code.TOO_LONG]),
    (KEY[:20] + "g" + KEY[21:], [Code.NOT_HEXADECIMAL]),
    ("orch_" + BODY.upper(), [Code.UPPER_CASE_HEXADECIMAL]),
    (f"orch%5F{BODY}", [Code.PERCENT_ENCODED]),
    ("$ORCHESTRATOR_API_KEY", [Code.VARIABLE]),
    ("Bearer ${ORCHESTRATOR_API_KEY}", [Code.VARIABLE]),
    ("%ORCHESTRATOR_API_KEY%", [Code.VARIABLE]),
    ("YOUR_API_KEY", [Code.PLACEHOLDER]),
    ("orch_xxxxxxxx", [Code.PLACEHOLDER]),
    ("orch_1a2b\u2026c3d4", [Code.HINT]),
    ("key_01h2xcejqtf2nbrexx3vqjhp41", [Code.KEY_ID]),
    ("eyJhIjoxfQ.eyJiIjoyfQ", [Code.TOKEN_SEGMENTS]),
    ("eyJhIjoxfQ.a.b.c.d", [Code.TOKEN_ENCRYPTED]),
    ("eyJhIjoxfQ..b", [Code.TOKEN_PAYLOAD_UNREADABLE]),
    ("eyJhIjoxfQ.a+b.c", [Code.TOKEN_NOT_BASE64URL]),
    ("hunter", [Code.UNRECOGNISED]),
]


@pytest.mark.parametrize(("value", "codes"), BROKEN)
def test_each_mistake_has_its_finding(value: str, codes: list[Code]) -> None:
    assert [finding.code for finding in read_form(value).findings] == codes


@pytest.mark.parametrize("value", [KEY, f"Bearer {KEY}", f"bearer   {KEY}", JWT, f"Bearer {JWT}"])
def test_nothing_is_found_about_a_good_form(value: str) -> None:
    assert read_form(value).findings == ()


@pytest.mark.parametrize(
    "value",
    [
        f"Authorization: Bearer '{KEY}'\n",
        f"Bearer Bearer {KEY},",
        f"sk_{BODY}",
        BODY,
        f"\ufeff{KEY}",
        f"ORCH_{BODY}",
        f"orch_{KEY}",
    ],
)
def test_what_can_be_mended_leaves_the_key(value: str) -> None:
    assert read_form(value).repaired == KEY


def test_a_position_counts_from_the_start_of_the_value() -> None:
    finding = read_form(f"Bearer {KEY[:20]}g{KEY[21:]}").findings[0]

    assert finding.position == len("Bearer ") + 20


def test_a_truncated_key_says_how_many_characters_it_has() -> None:
    assert read_form(KEY[:30]).findings[0].text == "it has 30 characters of 45"


@given(
    body=st.text("0123456789abcdef", min_size=40, max_size=40),
    before=st.text(max_size=12),
    behind=st.text(max_size=12),
    cut=st.integers(0, 40),
)
def test_no_six_characters_of_a_secret_are_repeated(
    body: str, before: str, behind: str, cut: int
) -> None:
    reading = read_form(f"{before}orch_{body[:cut]}{behind}{body[cut:]}")

    said = repr(reading) + "".join(repr(one) + one.text for one in reading.findings)
    assert not any(body[i : i + 6] in said for i in range(35))
