"""Nothing of a key or a token gets into the response, whatever was done to it."""

from __future__ import annotations

import os
import re

from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.signing_keys import SigningAlgorithm
from authsvc.rpc.explanation_conversion import explain_credential_response
from authsvc.usecases.explain_credential import Explanation
from tests.unit.examples import NOW
from tests.unit.explaining import a_key, explaining
from tests.unit.forging import CLAIMS, Issuer, T

ISSUER = Issuer.with_new_key(SigningAlgorithm.EDDSA, os.urandom)
SHORTEST = 6

noise = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["'", '"', "\n", " ", ".", ",", "Bearer ", "Bearer", "Basic ", "orch_", "ORCH_"]
    ),
    st.sampled_from(["sk_", "%20", "\u200b", "\ufeff", "...", "eyJ", "Authorization: "]),
)
hexadecimal = st.text("0123456789abcdef", min_size=40, max_size=40)


@st.composite
def mangled(draw: st.DrawFn, text: str) -> str:
    """Draw a text with something around it, in it, cut off it, or in another case."""
    at, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    kept = draw(st.sampled_from([text, text[:end], text[at:], text[at:end], text.upper()]))
    inner = draw(st.one_of(st.just(""), noise))
    return draw(noise) + kept[:at] + inner + kept[at:] + draw(noise)


def parts_of(secret: str) -> set[str]:
    return {secret[i : i + SHORTEST] for i in range(len(secret) - SHORTEST + 1)}


def is_word(part: str) -> bool:
    """Tell whether it could be in one of the constant texts by chance."""
    return part.isalpha() and part.islower()


def said(explanation: Explanation) -> str:
    """Return the response as it is on the wire, without the hint that a key shows of itself."""
    response = explain_credential_response(explanation, NOW)
    response.key.hint = ""
    return response.SerializeToString().decode("utf-8", "replace")


@given(data=st.data(), body=hexadecimal, prefix=st.sampled_from(["orch_", "", "ORCH_", "key_"]))
async def test_no_six_digits_of_a_key_are_in_the_response(
    data: st.DataObject, body: str, prefix: str
) -> None:
    known = data.draw(st.sampled_from([a_key(), a_key(revoke_time=NOW), a_key(disabled=True)]))
    keys = {"orch_" + body: known} if data.draw(st.booleans()) else {}
    value = data.draw(st.one_of(mangled(prefix + body), st.just(prefix + body)))

    text = said(await explaining(keys=keys)(value, "a:read"))

    # Ids are long runs of zeros here; they stand in the response by right.
    text = re.sub(r"(key|acct)_[0-9a-z]{26}", "", text)
    assert not [part for part in parts_of(body) if part in text.lower()]


@given(
    data=st.data(),
    # No word is written with these letters.
    subject=st.text("qxzjkv", min_size=12, max_size=20),
    exp=st.sampled_from([T + 60, T - 60, "never"]),
)
async def test_no_six_characters_of_a_token_are_in_the_response(
    data: st.DataObject, subject: str, exp: object
) -> None:
    secret_claims: dict[str, object] = {"email": subject, "exp": exp, "iss": f"https://{subject}"}
    token = ISSUER.token(payload=CLAIMS | secret_claims)
    value = data.draw(st.one_of(mangled(token), st.just(token)))

    text = said(await explaining(None, ISSUER)(value, "a:read"))

    _header, payload, signature = token.split(".")
    secret = {part for part in parts_of(payload) | parts_of(signature) if not is_word(part)}
    secret |= {part.upper() for part in secret} | parts_of(subject)
    assert not [part for part in secret if part in text]
