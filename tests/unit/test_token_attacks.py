"""Every attack of the list fails at the service and at the client's verifiers, with one verdict."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.credentials import TokenCredential, parse_credential
from authsvc.domain.denials import DenialReason
from authsvc.domain.signing_keys import SigningAlgorithm
from tests.unit.attack_table import ATTACKS, document
from tests.unit.attacks import ACCEPTED, ES256, NO_TOKEN, PUBLISHED, Attack, Forger
from tests.unit.forging import BASE64URL, CLAIMS, Issuer, T, b64, is_accepted, outcome
from tests.unit.offline import a_judge, verdict_of

Issuers = Mapping[SigningAlgorithm, Issuer]
DOCUMENT = Path(__file__).parents[2] / "docs/token-attacks.md"


async def served_verdict(value: str, *issuers: Issuer) -> str:
    """Return the verdict of the service's rules, before any record is looked at."""
    credential = parse_credential(value)
    if isinstance(credential, DenialReason):
        return credential.name
    assert isinstance(credential, TokenCredential)
    found = await outcome(credential.token, *issuers)
    return ACCEPTED if isinstance(found, AccessTokenClaims) else found.name


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.title)
async def test_an_attack_has_one_verdict_everywhere(issuers: Issuers, attack: Attack) -> None:
    published = [issuers[algorithm] for algorithm in PUBLISHED]
    judge = a_judge(*published)

    for algorithm in attack.algorithms:
        token = attack.make(Forger(issuers[algorithm], CLAIMS, T))

        assert await served_verdict(token, *published) == attack.verdict
        # What is no token is not judged here at all, and so never let in.
        assert verdict_of(judge, token) in (
            {attack.verdict, None} if attack.verdict == NO_TOKEN else {attack.verdict}
        )


# A secret key has no public part, and HS256 is its own algorithm.
NOT_ON_SECRETS = ("public key as HMAC secret", "HS256 over")


@pytest.mark.parametrize(
    "attack",
    [one for one in ATTACKS if one.verdict not in (ACCEPTED, "TOKEN_EXPIRED")],
    ids=lambda attack: attack.title,
)
async def test_an_attack_fails_even_where_the_form_was_not_looked_at(
    issuers: Issuers, attack: Attack
) -> None:
    algorithms = list(attack.algorithms)
    if attack.algorithms == PUBLISHED and not any(name in attack.title for name in NOT_ON_SECRETS):
        algorithms.append(SigningAlgorithm.HS256)
    for algorithm in algorithms:
        issuer = issuers[algorithm]
        accepted = await is_accepted(attack.make(Forger(issuer, CLAIMS, T)), issuer)

        # Length is judged by the form alone.
        assert accepted is (attack.name == "more than 8 KiB")


def test_there_are_many_attacks_and_no_name_twice() -> None:
    titles = list(
        chain.from_iterable([(a.title, algorithm) for algorithm in a.algorithms] for a in ATTACKS)
    )

    assert len(ATTACKS) > 150
    assert len(titles) == len(set(titles))


def test_the_document_lists_them() -> None:
    command = ".venv/bin/python -m tests.unit.attack_table > docs/token-attacks.md"

    assert DOCUMENT.read_text(encoding="utf-8") == document(), f"stale: run {command}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
segments = st.text(st.sampled_from(BASE64URL), max_size=100)


@given(st.sampled_from([*sorted(CLAIMS), "sid", "nbf"]), json_values)
async def test_no_value_of_a_claim_parts_them(issuers: Issuers, name: str, value: object) -> None:
    issuer = issuers[ES256]
    token = issuer.token(payload=CLAIMS | {name: value})

    assert verdict_of(a_judge(issuer), token) == await served_verdict(token, issuer)


@given(st.sampled_from(["alg", "kid", "typ", "crit", "jwk"]), json_values)
async def test_no_member_of_the_header_parts_them(
    issuers: Issuers, name: str, value: object
) -> None:
    issuer = issuers[ES256]
    token = issuer.token(header=issuer.header(**{name: value}))

    assert verdict_of(a_judge(issuer), token) == await served_verdict(token, issuer)


@given(st.binary(max_size=200), st.binary(max_size=400))
async def test_no_signed_bytes_part_them(issuers: Issuers, header: bytes, payload: bytes) -> None:
    issuer = issuers[ES256]
    for token in (
        issuer.signed(b64(header) or "A", b64(payload) or "A"),
        issuer.token(payload=payload or b"x"),
    ):
        assert verdict_of(a_judge(issuer), token) == await served_verdict(token, issuer)


@given(segments, segments, segments)
async def test_no_three_segments_part_them(
    issuers: Issuers, header: str, payload: str, signature: str
) -> None:
    issuer = issuers[ES256]
    value = f"{header}.{payload}.{signature}"
    here = verdict_of(a_judge(issuer), value)

    assert (here or NO_TOKEN) == await served_verdict(value, issuer)
