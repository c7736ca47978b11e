"""What is told about tokens: everything that is wrong, no more and no less than the verdict."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.access_tokens import AccessTokenClaims, TokenReading
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.findings import FindingCode as Code
from authsvc.domain.signing_keys import SigningAlgorithm
from authsvc.tokens.token_findings import AccessTokenExaminer
from tests.unit.examples import ACCOUNT_ID, NoHurry
from tests.unit.explaining import ADDRESS, codes_of, explaining
from tests.unit.forging import (
    CLAIMS,
    NOW,
    RULES,
    SEALER,
    Issuer,
    KeysInMemory,
    T,
    Watch,
    a_keyring,
    b64,
    outcome,
    with_spare_bits_changed,
)

Issuers = Mapping[SigningAlgorithm, Issuer]
EXPIRED = CLAIMS | {"exp": T - 60}


@pytest.fixture
def issuer(issuers: Issuers) -> Issuer:
    return issuers[SigningAlgorithm.ES256]


async def examined(token: str, *issuers: Issuer) -> TokenReading:
    keyring = a_keyring(KeysInMemory(*(one.sealed_by(SEALER) for one in issuers)), Watch())
    examiner = AccessTokenExaminer(keyring=keyring, rules=RULES, clock=lambda: NOW)
    return await examiner.examine(token, NoHurry())


async def codes(token: str, issuer: Issuer) -> list[Code]:
    return [finding.code for finding in (await examined(token, issuer)).findings]


@pytest.mark.parametrize("algorithm", list(SigningAlgorithm))
async def test_nothing_is_found_in_a_good_token(
    issuers: Issuers, algorithm: SigningAlgorithm
) -> None:
    reading = await examined(issuers[algorithm].token(), *issuers.values())

    assert reading == TokenReading((), ("sessions:read",), "user_1", ACCOUNT_ID)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"typ": "JWT"}, [Code.TOKEN_TYPE]),
        ({"typ": 1}, [Code.TOKEN_TYPE]),
        ({"alg": "none"}, [Code.TOKEN_UNSIGNED]),
        ({"alg": "NONE"}, [Code.TOKEN_UNSIGNED]),
        ({"alg": "HS256"}, [Code.TOKEN_ALGORITHM]),
        ({"alg": 1}, [Code.TOKEN_ALGORITHM]),
        ({"kid": ""}, [Code.TOKEN_KID_MISSING]),
        ({"kid": "another"}, [Code.TOKEN_KID_UNKNOWN]),
        ({"kid": "../another"}, [Code.TOKEN_KID_UNKNOWN]),
        ({"kid": ["another"]}, [Code.TOKEN_KID_UNKNOWN]),
        ({"crit": ["b64"], "b64": False}, [Code.TOKEN_HEADER_MEMBERS]),
        (
            {"jku": "https://issuer.example", "typ": "JWT"},
            [Code.TOKEN_HEADER_MEMBERS, Code.TOKEN_TYPE],
        ),
    ],
)
async def test_each_fault_of_a_header_is_found(
    issuer: Issuer, changes: dict[str, object], found: list[Code]
) -> None:
    assert await codes(issuer.token(header=issuer.header(**changes)), issuer) == found


async def test_a_header_without_a_kid_names_no_key(issuer: Issuer) -> None:
    header = {name: value for name, value in issuer.header().items() if name != "kid"}

    assert await codes(issuer.token(header=header), issuer) == [Code.TOKEN_KID_MISSING]


@pytest.mark.parametrize(
    "text", [b"[]", b"{", b'{"a":1,"a":1}', b"\xff", b"NaN", b"{}" + b" " * 500]
)
async def test_a_header_that_is_no_object_is_found(issuer: Issuer, text: bytes) -> None:
    assert await codes(issuer.token(header=text), issuer) == [Code.TOKEN_HEADER_UNREADABLE]


@pytest.mark.parametrize("text", [b"[]", b"{", b'{"a":1,"a":1}', b"\xff", b"1"])
async def test_a_payload_that_is_no_object_is_found(issuer: Issuer, text: bytes) -> None:
    assert await codes(issuer.token(payload=text), issuer) == [Code.TOKEN_PAYLOAD_UNREADABLE]


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.rpartition(".")[0] + "." + b64(bytes(64)),
        lambda token: token[:-8],
        with_spare_bits_changed,
    ],
    ids=["none", "zeros", "cut", "not canonical"],
)
async def test_a_wrong_signature_is_found(issuer: Issuer, change: object) -> None:
    assert callable(change)
    reading = await examined(change(issuer.token()), issuer)

    assert [finding.code for finding in reading.findings] == [Code.TOKEN_SIGNATURE]
    assert reading.scopes is None


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"iss": "https://other.example"}, [(Code.TOKEN_ISSUER, None, None)]),
        ({"aud": ["https://other.example"]}, [(Code.TOKEN_AUDIENCE, None, None)]),
        ({"exp": T - 60}, [(Code.TOKEN_EXPIRED, 60, None)]),
        ({"exp": T - 60.5}, [(Code.TOKEN_EXPIRED, 61, None)]),
        ({"nbf": T + 60}, [(Code.TOKEN_NOT_YET_VALID, 60, None)]),
        ({"iat": T + 90, "nbf": T + 60}, [(Code.TOKEN_NOT_YET_VALID, 90, None)]),
        ({"nbf": 250_000_000_000}, [(Code.TOKEN_NOT_YET_VALID, 2**31 - 1, None)]),
        ({"exp": "soon"}, [(Code.TOKEN_CLAIM_MALFORMED, None, "exp")]),
        ({"nbf": True}, [(Code.TOKEN_CLAIM_MALFORMED, None, "nbf")]),
        ({"sub": ""}, [(Code.TOKEN_CLAIM_MALFORMED, None, "sub")]),
        ({"sid": 1}, [(Code.TOKEN_CLAIM_MALFORMED, None, "sid")]),
        ({"scope": ["a"]}, [(Code.TOKEN_CLAIM_MALFORMED, None, "scope")]),
        (
            {"iss": "https://other.example", "exp": T - 60},
            [(Code.TOKEN_ISSUER, None, None), (Code.TOKEN_EXPIRED, 60, None)],
        ),
    ],
)
async def test_each_fault_of_a_payload_is_found(
    issuer: Issuer, changes: dict[str, object], found: list[tuple[Code, int | None, str | None]]
) -> None:
    reading = await examined(issuer.token(payload=CLAIMS | changes), issuer)

    assert [(one.code, one.length, one.claim) for one in reading.findings] == found


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "iat", "sub", "jti", "account_id"])
async def test_a_claim_that_is_missing_is_named(issuer: Issuer, name: str) -> None:
    payload = {claim: value for claim, value in CLAIMS.items() if claim != name}

    (finding,) = (await examined(issuer.token(payload=payload), issuer)).findings

    assert (finding.code, finding.claim) == (Code.TOKEN_CLAIM_MISSING, name)
    assert finding.text == f"the claim {name} is missing"


async def test_a_token_of_another_issuer_says_so_throughout(issuers: Issuers) -> None:
    ours, other = issuers[SigningAlgorithm.ES256], issuers[SigningAlgorithm.RS256]
    token = other.token(payload=CLAIMS | {"iss": "https://other.example"})

    assert await codes(token, ours) == [Code.TOKEN_KID_UNKNOWN, Code.TOKEN_ISSUER]


odd: st.SearchStrategy[object] = st.sampled_from(
    [None, True, "", "x", "a:read", 0, -1, T - 60, T - 10, T, T + 10, T + 11, T + 60, 1e300, [], {},
     RULES.issuer, RULES.audience, [RULES.audience], [RULES.audience, 1]]
)  # fmt: skip


@given(
    changes=st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "sid", "other"]), odd, max_size=3),
    without=st.sets(st.sampled_from(list(CLAIMS)), max_size=1),
)
def test_faults_are_found_exactly_where_claims_are_refused(
    changes: dict[str, object], without: set[str]
) -> None:
    claims = {name: v for name, v in (CLAIMS | changes).items() if name not in without}

    verdict = RULES.read(claims, NOW)
    found = [finding.code for finding in RULES.find_faults(claims, NOW)]

    assert (not found) == isinstance(verdict, AccessTokenClaims)
    assert (found == [Code.TOKEN_EXPIRED]) == (verdict is DenialReason.TOKEN_EXPIRED)


@given(data=st.data())
async def test_something_is_found_exactly_where_a_token_is_refused(
    issuers: Issuers, data: st.DataObject
) -> None:
    issuer = issuers[SigningAlgorithm.EDDSA]
    token = issuer.token()
    at = data.draw(st.integers(0, len(token) - 1).filter(lambda i: token[i] != "."))
    token = token[:at] + data.draw(st.sampled_from("AZaz09-_")) + token[at + 1 :]

    reading = await examined(token, issuer)

    accepted = isinstance(await outcome(token, issuer), AccessTokenClaims)
    assert accepted == (not reading.findings)


async def test_an_expired_token_is_to_be_refreshed(issuer: Issuer) -> None:
    explanation = await explaining(None, issuer)(issuer.token(payload=EXPIRED), "a:read")

    assert codes_of(explanation) == [Code.TOKEN_EXPIRED, Code.SCOPES_MISSING]
    assert explanation.missing_scopes == ("a:read",)
    assert explanation.hint == "Refresh the session and send the new token."


async def test_scopes_are_not_told_of_a_token_that_is_not_genuine(issuer: Issuer) -> None:
    explanation = await explaining(None, issuer)(issuer.token()[:-8], "a:read")

    assert codes_of(explanation) == [Code.TOKEN_SIGNATURE]
    assert not explanation.missing_scopes


async def test_a_token_of_an_unknown_account_says_so(issuer: Issuer) -> None:
    token = issuer.token(payload=CLAIMS | {"account_id": "acct_0000000000000000000000000z"})

    assert codes_of(await explaining(None, issuer)(token)) == [Code.TOKEN_ACCOUNT_UNKNOWN]


async def test_a_token_of_a_disabled_account_says_so(issuer: Issuer) -> None:
    token = issuer.token(payload=CLAIMS | {"account_id": "acct_0000000000000000000000000y"})

    explanation = await explaining(None, issuer)(f"'{token}'")

    assert codes_of(explanation) == [Code.QUOTED, Code.ACCOUNT_DISABLED]
    assert explanation.hint.startswith("Mending its form alone will not help.")


async def test_a_token_that_is_good_when_mended_is_said_to_be(issuer: Issuer) -> None:
    explanation = await explaining(None, issuer)(f"{issuer.token()}\n")

    assert codes_of(explanation) == [Code.LINE_BREAK_BEHIND, Code.MENDED_IS_GOOD]
    assert explanation.hint == "Remove the line break behind it. What is left is good."


@pytest.mark.parametrize("form", ["{}", "'{}'"])
async def test_an_invalid_token_counts_as_one_failure(issuer: Issuer, form: str) -> None:
    one, two = (explaining(None, issuer, failures_per_minute=limit) for limit in (1, 2))
    value = form.format(issuer.token()[:-8])

    await one(value, address=ADDRESS)
    await two(value, address=ADDRESS)
    limited = await one(value, address=ADDRESS)

    assert one.is_limited()
    assert not two.is_limited()
    assert all(not code.name.startswith("TOKEN") for code in codes_of(limited))
    assert isinstance(limited.verdict.outcome, Denial)
