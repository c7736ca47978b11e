"""What is advised of a credential that was not copied whole, or with something around it."""

from __future__ import annotations

import pytest

from authsvc.domain.denials import DenialReason
from authsvc.domain.findings import FindingCode as Code
from authsvc.domain.keys import OwnedKey
from tests.unit.examples import NOW
from tests.unit.explaining import (
    BARE,
    FAULTY,
    NO_USE,
    SECRET,
    UNKNOWN,
    UPPER,
    a_key,
    codes_of,
    explaining,
    reason_of,
)


@pytest.mark.parametrize(
    ("mistake", "advice"),
    [
        (BARE, "Put orch_ before it."),
        (f"ORCH_{BARE}", "Write the prefix orch_ in lower case."),
        (f"orch_{SECRET}", "Send the prefix orch_ once."),
        (f"sk_{BARE}", "Put orch_ in the place of its prefix."),
        (f"Bearer{SECRET}", "Put one blank, and nothing else, between Bearer and it."),
        (f"Basic {SECRET}", "Use the scheme Bearer."),
        (
            f"Bearer Bearer {SECRET}",
            "Send the scheme Bearer once: something puts it there already.",
        ),
        (f"Authorization: Bearer {SECRET}", "Remove the header's name from its value."),
        (f'"{SECRET}"', "Remove the quotation marks around it."),
        (f" {SECRET}", "Remove the white space before it."),
        (f"{SECRET} ", "Remove the white space behind it."),
        (f"{SECRET}\n", "Remove the line break behind it."),
        (f"{SECRET},", "Remove the punctuation behind it."),
        (f"\ufeff{SECRET}", "Remove the character that is not ASCII."),
        (f"'{BARE}'", "Remove the quotation marks around it. Put orch_ before it."),
    ],
)
async def test_what_is_good_when_mended_has_its_advice(mistake: str, advice: str) -> None:
    explanation = await explaining()(mistake)

    assert codes_of(explanation)[-1] is Code.MENDED_IS_GOOD
    assert explanation.hint == f"{advice} What is left is good."
    assert explanation.key is None


@pytest.mark.parametrize(("known", "_codes"), FAULTY)
async def test_mending_alone_is_not_advised_for_a_key_that_is_not_good(
    known: OwnedKey, _codes: list[Code]
) -> None:
    explanation = await explaining(known)(BARE)

    assert codes_of(explanation) == [Code.PREFIX_MISSING, Code.MENDED_IS_KNOWN]
    assert explanation.hint.startswith(NO_USE)
    assert explanation.key is None


async def test_a_mended_key_that_lacks_scopes_is_known() -> None:
    explanation = await explaining(a_key(scopes=("a:read",)))(f"{SECRET}\n", "b:read")

    assert codes_of(explanation)[-1] is Code.MENDED_IS_KNOWN
    assert explanation.hint == f"{NO_USE} Use a credential that has the required scopes."
    assert not explanation.missing_scopes


async def test_a_prefix_is_not_advised_for_what_is_no_key_with_it() -> None:
    explanation = await explaining()(UNKNOWN[5:])

    assert codes_of(explanation) == [Code.PREFIX_MISSING, Code.KEY_UNKNOWN]
    assert explanation.hint.startswith(f"{NO_USE} Check that the key belongs")


WHOLE = "Copy the whole key anew: orch_ and 40 hexadecimal digits."


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("", "Send the header `Authorization: Bearer <key>`."),
        ("\n", "Send the header `Authorization: Bearer <key>`."),
        ("Bearer", "Put the key behind the scheme"),
        (f"'Bearer {SECRET[:30]}'", WHOLE),
        (f"ORCH_{BARE[:30]}", WHOLE),
        (f"Bearer Bearer {SECRET[:20]}g{SECRET[21:]}", WHOLE),
        (f"{SECRET}00", "Copy the key anew, and nothing more"),
        ("Basic dXNlcjpwYXNz", "Send `Authorization: Bearer <key>`"),
        ("Bearer '$ORCHESTRATOR_API_KEY'", "The variable was not expanded"),
        ("YOUR_API_KEY", "Put a real key in the place"),
        ("orch_1a2b\u20264d5e", "Send the secret, which was shown once"),
        ("key_01h2xcejqtf2nbrexx3vqjhp41", "Send the secret, which was shown once"),
        (f"orch%5F{BARE}", "Send it as it is, without percent-encoding."),
        ("sk_live_1", "Send a key of this service"),
        (f"{SECRET[:10]}\u2013{SECRET[11:]}", "Copy it anew, without the character"),
        ("x" * 8193, "Send one key or token and nothing more"),
        ("eyJhIjoxfQ.eyJiIjoyfQ", "Copy the whole token anew"),
        ("eyJhIjoxfQ.a.b.c.d", "Send an access token that this service issued"),
    ],
)
async def test_what_cannot_be_mended_has_its_advice(value: str, advice: str) -> None:
    explanation = await explaining()(value)

    assert explanation.hint.startswith(advice)
    assert "alone" not in explanation.hint


async def test_an_upper_cased_key_is_to_be_sent_in_lower_case() -> None:
    explanation = await explaining()(UPPER)

    assert reason_of(explanation) is DenialReason.KEY_NOT_FOUND
    assert codes_of(explanation) == [
        Code.UPPER_CASE_HEXADECIMAL,
        Code.KEY_UNKNOWN,
        Code.LOWER_CASE_IS_KNOWN,
    ]
    assert explanation.hint == "Write it in lower case. It is a key that is known."
    assert explanation.key is None


async def test_lower_case_alone_is_not_advised_for_a_revoked_key() -> None:
    explanation = await explaining(a_key(revoke_time=NOW))(UPPER)

    assert codes_of(explanation)[-2:] == [Code.LOWER_CASE_IS_KNOWN, Code.MENDED_IS_KNOWN]
    assert explanation.hint == f"{NO_USE} A revoked key stays revoked: create another one."
