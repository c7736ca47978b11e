"""Headers and payloads at random: whatever they are, they raise nothing.

The forgeries that have a name are in the list of attacks.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.denials import DenialReason
from authsvc.domain.signing_keys import SigningAlgorithm
from tests.unit.forging import (
    BASE64URL,
    CLAIMS,
    Issuer,
    b64,
    compact_json,
    is_accepted,
    outcome,
)

HS256 = SigningAlgorithm.HS256

segments = st.text(st.sampled_from(BASE64URL), max_size=200)


@given(segments, segments, segments)
async def test_no_three_segments_raise(header: str, payload: str, signature: str) -> None:
    hmac_only = Issuer("jwk_hs256", HS256, b"\x05" * 32, None)

    assert not await is_accepted(f"{header}.{payload}.{signature}", hmac_only)


@given(st.binary(max_size=200), st.binary(max_size=400))
async def test_no_signed_bytes_raise(header: bytes, payload: bytes) -> None:
    issuer = Issuer("jwk_hs256", HS256, b"\x05" * 32, None)
    control = b64(compact_json(issuer.header()))

    assert not await is_accepted(issuer.token(header=header), issuer)
    assert not await is_accepted(issuer.signed(control, b64(payload)), issuer)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(CLAIMS)), json_values)
async def test_no_value_of_a_claim_raises(name: str, value: object) -> None:
    issuer = Issuer("jwk_hs256", HS256, b"\x05" * 32, None)

    claims = await outcome(issuer.token(payload=CLAIMS | {name: value}), issuer)

    assert isinstance(claims, AccessTokenClaims | DenialReason)
