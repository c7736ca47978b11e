"""The judge of the client's token verifiers, with the keys of the tests' issuers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from authsvc.tokens.json_web_keys import json_web_key
from authsvc.tokens.key_material import load_public_key
from authsvc.tokens.stored_keys import VerificationKey
from orchestrator.auth import JsonWebKey, Jwks
from orchestrator.auth._claims import TokenRules
from orchestrator.auth._key_set import KeySet
from orchestrator.auth._public_keys import read_key
from orchestrator.auth._revocations import Revocations
from orchestrator.auth._token_judge import Ask, TokenJudge
from tests.unit.attacks import ACCEPTED
from tests.unit.forging import NOW, RULES, Issuer


def published(*issuers: Issuer) -> Jwks:
    """Return the public keys as the service publishes them."""
    keys = []
    for issuer in issuers:
        assert issuer.public_bytes is not None
        material = load_public_key(issuer.algorithm, issuer.public_bytes)
        jwk = json_web_key(issuer.kid, VerificationKey(issuer.algorithm, material))
        assert jwk is not None
        keys.append(JsonWebKey(**jwk.members()))
    return Jwks(tuple(keys), timedelta(minutes=5))


def a_judge(
    *issuers: Issuer,
    clock: Callable[[], datetime] = lambda: NOW,
    monotonic: Callable[[], float] = time.monotonic,
) -> TokenJudge:
    """Return a judge that has the keys and has heard nothing."""
    keys = KeySet(read_key=read_key, longest_kept=timedelta(minutes=15), monotonic=monotonic)
    keys.take(published(*issuers), keys.begin())
    revocations = Revocations(
        leeway=RULES.leeway,
        max_staleness=timedelta(seconds=5),
        clock=clock,
        monotonic=monotonic,
    )
    rules = TokenRules(RULES.issuer, RULES.audience, RULES.leeway)
    return TokenJudge(
        rules=rules,
        keys=keys,
        revocations=revocations,
        remembered=100,
        other_issuers=False,
        clock=clock,
    )


def verdict_of(judge: TokenJudge, value: str) -> str | None:
    """Return the verdict by what the judge knows; None: what this is, the service has to say.

    A token is accepted when nothing but its user, account and session remains to be asked about.
    """
    answer = judge.judge(value, ())
    if isinstance(answer, Ask):
        return None if answer.about is None else ACCEPTED
    assert answer is not None
    assert answer.denial is not None
    return answer.denial.reason
