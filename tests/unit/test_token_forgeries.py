"""Forged headers and payloads: each is TOKEN_INVALID, and none is an exception.

Every forgery differs from the accepted control token in one thing; where the attack is not on the
signature, the signature is good.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.denials import DenialReason
from authsvc.domain.signing_keys import SigningAlgorithm
from tests.unit.forging import (
    BASE64URL,
    CLAIMS,
    Issuer,
    T,
    b64,
    compact_json,
    is_accepted,
    outcome,
    with_spare_bits_changed,
)

Issuers = Mapping[SigningAlgorithm, Issuer]
ES256, HS256 = SigningAlgorithm.ES256, SigningAlgorithm.HS256
RS256, EDDSA = SigningAlgorithm.RS256, SigningAlgorithm.EDDSA
ASYMMETRIC = [ES256, RS256, EDDSA]


@pytest.fixture(params=list(SigningAlgorithm))
def issuer(issuers: Issuers, request: pytest.FixtureRequest) -> Issuer:
    return issuers[request.param]


async def test_the_control_tokenis_accepted(issuer: Issuer) -> None:
    assert await is_accepted(issuer.token(), issuer)


HEADERS: dict[str, Callable[[Issuer], Mapping[str, object] | bytes]] = {
    "alg none": lambda i: i.header(alg="none"),
    "alg None": lambda i: i.header(alg="None"),
    "alg NONE": lambda i: i.header(alg="NONE"),
    "alg nOnE": lambda i: i.header(alg="nOnE"),
    "alg empty": lambda i: i.header(alg=""),
    "alg null": lambda i: i.header(alg=None),
    "alg number": lambda i: i.header(alg=256),
    "alg list": lambda i: i.header(alg=[i.algorithm.value]),
    "alg in lower case": lambda i: i.header(alg=f"{i.algorithm.value.lower()} "),
    "alg of another hash": lambda i: i.header(alg=i.algorithm.value.replace("256", "512") + "x"),
    "alg unknown": lambda i: i.header(alg="XX256"),
    "alg missing": lambda i: {"kid": i.kid, "typ": "at+jwt"},
    "kid missing": lambda i: {"alg": i.algorithm.value, "typ": "at+jwt"},
    "kid unknown": lambda i: i.header(kid="jwk_unknown"),
    "kid empty": lambda i: i.header(kid=""),
    "kid null": lambda i: i.header(kid=None),
    "kid number": lambda i: i.header(kid=7),
    "kid list": lambda i: i.header(kid=[i.kid]),
    "kid path": lambda i: i.header(kid="../../../../dev/null"),
    "kid SQL": lambda i: i.header(kid="x' UNION SELECT 'key' --"),
    "kid NUL": lambda i: i.header(kid=f"{i.kid}\0"),
    "kid newline": lambda i: i.header(kid=f"{i.kid}\n"),
    "kid in upper case": lambda i: i.header(kid=i.kid.upper()),
    "kid long": lambda i: i.header(kid="k" * 65),
    "kid surrogate": lambda i: i.header(kid="\ud800"),
    "jwk embedded": lambda i: i.header(jwk={"kty": "oct", "k": "AAAA"}),
    "jku": lambda i: i.header(jku="https://attacker.example/jwks.json"),
    "x5u": lambda i: i.header(x5u="https://attacker.example/cert.pem"),
    "x5c": lambda i: i.header(x5c=["MIIB"]),
    "x5t": lambda i: i.header(x5t="AAAA"),
    "crit": lambda i: i.header(crit=["exp"]),
    "crit empty": lambda i: i.header(crit=[]),
    "b64 false": lambda i: i.header(b64=False, crit=["b64"]),
    "b64 true": lambda i: i.header(b64=True),
    "cty": lambda i: i.header(cty="JWT"),
    "zip": lambda i: i.header(zip="DEF"),
    "unknown member": lambda i: i.header(x=1),
    "typ missing": lambda i: {"alg": i.algorithm.value, "kid": i.kid},
    "typ JWT": lambda i: i.header(typ="JWT"),
    "typ of an id token": lambda i: i.header(typ="id+jwt"),
    "typ of a log-out token": lambda i: i.header(typ="logout+jwt"),
    "typ empty": lambda i: i.header(typ=""),
    "typ null": lambda i: i.header(typ=None),
    "typ list": lambda i: i.header(typ=["at+jwt"]),
    "typ with a blank": lambda i: i.header(typ="at+jwt "),
    "long": lambda i: compact_json(i.header())[:-1] + b" " * 400 + b"}",
    "empty object": lambda _: b"{}",
    "list": lambda _: b"[]",
    "text": lambda _: b'"header"',
    "number": lambda _: b"1",
    "null": lambda _: b"null",
    "empty": lambda _: b"",
    "not JSON": lambda _: b"{",
    "not UTF-8": lambda i: compact_json(i.header())[:-1] + b',"\xff":1}',
    "UTF-16": lambda i: compact_json(i.header()).decode().encode("utf-16"),
    "byte order mark": lambda i: b"\xef\xbb\xbf" + compact_json(i.header()),
    "something behind it": lambda i: compact_json(i.header()) + b"{}",
    "alg twice": lambda i: compact_json(i.header())[:-1] + b',"alg":"none"}',
    "alg twice, the same": lambda i: (
        compact_json(i.header())[:-1] + f',"alg":"{i.algorithm.value}"}}'.encode()
    ),
    "kid twice, one escaped": lambda i: compact_json(i.header())[:-1] + b',"k\\u0069d":"x"}',
    "deep": lambda _: b"[" * 380,
    "member in upper case": lambda i: {"ALG": i.algorithm.value, "kid": i.kid, "typ": "at+jwt"},
}


@pytest.mark.parametrize("attack", HEADERS)
async def test_a_token_with_a_forged_header_is_invalid(issuer: Issuer, attack: str) -> None:
    assert not await is_accepted(issuer.token(header=HEADERS[attack](issuer)), issuer)


PAYLOADS: dict[str, Mapping[str, object] | bytes] = {
    **{
        f"{name} missing": {k: v for k, v in CLAIMS.items() if k != name}
        for name in CLAIMS
        if name != "scope"
    },
    "iss of another": CLAIMS | {"iss": "https://other.example"},
    "aud of another": CLAIMS | {"aud": "https://other.example"},
    "aud empty list": CLAIMS | {"aud": []},
    "nbf in the future": CLAIMS | {"nbf": T + 60},
    "iat in the future": CLAIMS | {"iat": T + 60},
    "exp text": CLAIMS | {"exp": "never"},
    "exp true": CLAIMS | {"exp": True},
    "exp null": CLAIMS | {"exp": None},
    "exp negative": CLAIMS | {"exp": -1},
    "exp huge": CLAIMS | {"exp": 10**400},
    "exp too long for an int": compact_json(CLAIMS)[:-1] + b',"e":' + b"9" * 5000 + b"}",
    "exp beyond floats": compact_json(CLAIMS | {"exp": 0}).replace(b'"exp":0', b'"exp":1e999'),
    "exp NaN": compact_json(CLAIMS | {"exp": math.nan}),
    "exp Infinity": compact_json(CLAIMS | {"exp": math.inf}),
    "NaN elsewhere": compact_json(CLAIMS | {"x": math.nan}),
    "sub with a newline": CLAIMS | {"sub": "user_1\nuser_2"},
    "sub surrogate": CLAIMS | {"sub": "\ud800"},
    "scope list": CLAIMS | {"scope": ["*"]},
    "exp twice": compact_json(CLAIMS)[:-1] + f',"exp":{T + 9999}}}'.encode(),
    "sub twice, one escaped": compact_json(CLAIMS)[:-1] + b',"s\\u0075b":"user_2"}',
    "a nested member twice": compact_json(CLAIMS)[:-1] + b',"x":[{"y":1,"y":2}]}',
    "empty": b"",
    "list": b"[]",
    "text": b'"claims"',
    "null": b"null",
    "not JSON": b"claims",
    "not UTF-8": b"\xff\xfe",
    "something behind it": compact_json(CLAIMS) + b"x",
    "deep lists": b"[" * 5000,
    "deep objects": b'{"a":' * 1000,
    "deep and closed": compact_json(CLAIMS)[:-1] + b',"x":' + b"[" * 2500 + b"]" * 2500 + b"}",
}


@pytest.mark.parametrize("attack", PAYLOADS)
async def test_a_token_with_a_bad_payload_is_invalid(issuer: Issuer, attack: str) -> None:
    assert not await is_accepted(issuer.token(payload=PAYLOADS[attack]), issuer)


def _with_spare_bits(issuer: Issuer) -> tuple[str, str]:
    """Return header and payload whose last characters have bits to spare."""
    header, payload = compact_json(issuer.header()), compact_json(CLAIMS)
    while len(header) % 3 == 0:
        header += b" "
    while len(payload) % 3 == 0:
        payload += b" "
    return b64(header), b64(payload)


async def test_the_control_token_with_spare_bitsis_accepted(issuer: Issuer) -> None:
    assert await is_accepted(issuer.signed(*_with_spare_bits(issuer)), issuer)


SPELLINGS: dict[str, Callable[[str, str], tuple[str, str]]] = {
    "padded header": lambda h, p: (h + "=" * (-len(h) % 4), p),
    "padded payload": lambda h, p: (h, p + "=" * (-len(p) % 4)),
    "spare bits of the header": lambda h, p: (with_spare_bits_changed(h), p),
    "spare bits of the payload": lambda h, p: (h, with_spare_bits_changed(p)),
    "newline in the header": lambda h, p: (h[:8] + "\n" + h[8:], p),
    "blank in the payload": lambda h, p: (h, p[:8] + " " + p[8:]),
    "foreign character in the payload": lambda h, p: (h, p[:8] + "!" + p[8:]),
    "dot in the payload": lambda h, p: (h, p[:8] + "." + p[8:]),
    "character too many in the header": lambda h, p: (h + "A" * (1 + -len(h) % 4), p),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_another_spelling_of_a_signed_segment_is_invalid(
    issuer: Issuer, spelling: str
) -> None:
    token = issuer.signed(*SPELLINGS[spelling](*_with_spare_bits(issuer)))

    assert not await is_accepted(token, issuer)


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
