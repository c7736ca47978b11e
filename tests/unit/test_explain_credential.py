"""What is told about keys: the record, the mended form, the hint, and what is counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import structlog

from authsvc.domain.accounts import AccountState
from authsvc.domain.callers import Caller
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.errors import CallerNotPermitted
from authsvc.domain.findings import FindingCode as Code
from authsvc.domain.keys import OwnedKey
from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.scopes import VALIDATE
from authsvc.rate_limits.in_process import InProcessLimits
from authsvc.usecases.explain_credential import Explanation
from authsvc.usecases.question import Question
from tests.unit.examples import KEY_ID, NOW, SECOND, a_caller, a_system_caller
from tests.unit.explaining import ADDRESS, SECRET, UNKNOWN, a_key, codes_of, explaining
from tests.unit.stores import a_call

UPPER = "orch_" + SECRET[5:].upper()
BARE = SECRET[5:]

FAULTY = [
    (a_key(revoke_time=NOW), [Code.KEY_REVOKED]),
    (a_key(disabled=True), [Code.KEY_DISABLED]),
    (a_key(expire_time=NOW), [Code.KEY_EXPIRED]),
    (a_key(account_state=AccountState.DISABLED), [Code.ACCOUNT_DISABLED]),
    (a_key(allowed_addresses=("192.0.2.9",)), [Code.ADDRESS_MISSING]),
    (a_key(disabled=True, expire_time=NOW - SECOND), [Code.KEY_DISABLED, Code.KEY_EXPIRED]),
]
NO_USE = "Mending its form alone will not help."


def _reason(explanation: Explanation) -> DenialReason:
    assert isinstance(explanation.verdict.outcome, Denial)
    return explanation.verdict.outcome.reason


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

    assert _reason(explanation) is DenialReason.KEY_NOT_FOUND
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

    assert _reason(explanation) is DenialReason.RATE_LIMITED
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
