"""What is told about keys: the record, the mended form, the hint, and what is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import structlog

from authsvc.domain.callers import Caller
from authsvc.domain.errors import CallerNotPermitted
from authsvc.domain.findings import FindingCode as Code
from authsvc.domain.keys import OwnedKey
from authsvc.domain.scopes import VALIDATE
from authsvc.usecases.question import Question
from tests.unit.examples import NOW, a_caller, a_system_caller
from tests.unit.explaining import (
    ADDRESS,
    BARE,
    FAULTY,
    NO_USE,
    SECRET,
    UNKNOWN,
    UPPER,
    a_key,
    codes_of,
    explaining,
)
from tests.unit.stores import a_call


async def test_a_good_key_is_shown_and_nothing_is_found() -> None:
    explanation = await explaining()(SECRET)

    assert explanation.key == a_key().key
    assert not explanation.findings
    assert explanation.hint == "The credential is good."


@pytest.mark.parametrize(("known", "codes"), FAULTY)
async def test_every_fault_of_a_known_key_is_found(known: OwnedKey, codes: list[Code]) -> None:
    explanation = await explaining(known)(SECRET)

    assert codes_of(explanation) == codes
    assert explanation.key == replace(known.key, allowed_addresses=())


RESTRICTED = a_key(allowed_addresses=("192.0.2.9", "2001:db8::/32"))


async def test_a_restricted_key_from_elsewhere_is_told_to_how_many_rules() -> None:
    explanation = await explaining(RESTRICTED)(SECRET, address=ADDRESS)

    (finding,) = explanation.findings
    assert (finding.code, finding.length) == (Code.ADDRESS_NOT_ALLOWED, 2)
    assert finding.text == (
        "the client's address is not among those that the key is restricted to (rules: 2)"
    )
    assert explanation.hint == (
        "Use the key from an address that it allows, or have its owner allow this one."
    )


async def test_a_restricted_key_without_an_address_asks_for_one() -> None:
    explanation = await explaining(RESTRICTED)(SECRET)

    (finding,) = explanation.findings
    assert (finding.code, finding.length) == (Code.ADDRESS_MISSING, 2)
    assert finding.text.endswith("(rules: 2), and the client's was not given")
    assert explanation.hint == "Say which IP address the client has (`client_ip`)."


async def test_a_restricted_key_is_good_from_its_addresses() -> None:
    explanation = await explaining(RESTRICTED)(SECRET, address="2001:db8::1")

    assert not explanation.findings
    assert explanation.hint == "The credential is good."


async def test_no_address_is_asked_for_where_none_would_help() -> None:
    known = a_key(allowed_addresses=("192.0.2.9",), revoke_time=NOW)

    explanation = await explaining(known)(SECRET)

    assert codes_of(explanation) == [Code.KEY_REVOKED, Code.ADDRESS_MISSING]
    assert explanation.hint == "A revoked key stays revoked: create another one."


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        (a_system_caller(VALIDATE), ()),
        (a_system_caller(VALIDATE, "authsvc:keys"), RESTRICTED.key.allowed_addresses),
        (a_system_caller("authsvc:admin"), RESTRICTED.key.allowed_addresses),
    ],
)
async def test_the_addresses_are_shown_to_those_who_manage_the_key(
    caller: Caller, shown: tuple[str, ...]
) -> None:
    explanation = await explaining(RESTRICTED).explain(Question(SECRET), a_call(caller))

    assert explanation.key is not None
    assert explanation.key.allowed_addresses == shown


@pytest.mark.parametrize("mistake", [UPPER, f"{SECRET}\n", BARE])
async def test_a_mended_key_is_judged_by_the_address_too(mistake: str) -> None:
    explain = explaining(RESTRICTED)

    good = await explain(mistake, address="192.0.2.9")
    refused = await explain(mistake, address=ADDRESS)

    assert Code.MENDED_IS_KNOWN not in codes_of(good)
    assert codes_of(refused)[-1] is Code.MENDED_IS_KNOWN
    assert refused.hint.startswith(f"{NO_USE} Use the key from an address that it allows")


async def test_missing_scopes_are_named_sorted_and_once() -> None:
    explanation = await explaining(a_key(scopes=("a:read",)))(
        SECRET, "b:read", "a:write", "a:read", "b:read"
    )

    assert codes_of(explanation) == [Code.SCOPES_MISSING]
    assert explanation.missing_scopes == ("a:write", "b:read")


async def test_scopes_that_a_revoked_key_lacks_are_named_too() -> None:
    known = a_key(scopes=("a:read",), revoke_time=NOW)

    explanation = await explaining(known)(SECRET, "b:read")

    assert codes_of(explanation) == [Code.KEY_REVOKED, Code.SCOPES_MISSING]
    assert explanation.missing_scopes == ("b:read",)


async def test_a_reserved_scope_opens_nothing_outside_the_system_account() -> None:
    explanation = await explaining(a_key(scopes=("authsvc:admin",)))(SECRET, "authsvc:keys")

    assert explanation.missing_scopes == ("authsvc:keys",)


async def test_an_unknown_key_is_said_to_be_unknown() -> None:
    explanation = await explaining()(UNKNOWN, "a:read")

    assert codes_of(explanation) == [Code.KEY_UNKNOWN]
    assert explanation.key is None
    assert not explanation.missing_scopes


async def test_a_known_key_in_upper_case_is_no_other_key() -> None:
    explanation = await explaining(keys={UPPER: a_key()})(UPPER)

    assert not explanation.findings
    assert explanation.key is not None


@pytest.mark.parametrize(
    "value", [UNKNOWN, UNKNOWN.upper().replace("ORCH", "orch"), UNKNOWN.upper(), f"'{UNKNOWN}'"]
)
async def test_an_unknown_key_counts_as_one_failure(value: str) -> None:
    one, two = (explaining(failures_per_minute=limit) for limit in (1, 2))

    await one(value, address=ADDRESS)
    await two(value, address=ADDRESS)

    assert one.is_limited()
    assert not two.is_limited()


@pytest.mark.parametrize("value", [SECRET, UPPER, f"'{SECRET}'", BARE])
async def test_over_the_limit_nothing_is_told_of_any_record(value: str) -> None:
    explain = explaining(failures_per_minute=1)
    await explain(UNKNOWN, address=ADDRESS)

    explanation = await explain(value, address=ADDRESS)

    told = {code for code in codes_of(explanation) if "KNOWN" in code.name or "MENDED" in code.name}
    assert not told
    assert explanation.key is None
    assert explanation.hint.startswith("Wait until the limit")


async def test_a_caller_needs_the_scope_to_validate() -> None:
    with pytest.raises(CallerNotPermitted):
        await explaining().explain(Question(SECRET), a_call(a_caller("*")))


@pytest.mark.parametrize("value", [SECRET, UPPER, UNKNOWN, f"'{SECRET}'\n", SECRET[:30], BARE])
async def test_nothing_of_the_credential_is_logged_or_shown(value: str) -> None:
    with structlog.testing.capture_logs() as logs:
        explanation = await explaining()(value)

    said = (repr(logs) + repr(explanation)).lower()
    assert not any(BARE[i : i + 6] in said or UNKNOWN[i + 5 : i + 11] in said for i in range(35))
