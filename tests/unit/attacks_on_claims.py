"""Forged claims, each under a good signature."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Final

from tests.unit.attacks import ACCEPTED, TOKEN_EXPIRED, Attack, Forger, attacks
from tests.unit.forging import compact_json

_TEXTS: Final = ("iss", "aud", "sub", "account_id", "jti")
_TIMES: Final = ("exp", "iat", "nbf")
_REQUIRED: Final = ("iss", "aud", "sub", "account_id", "jti", "exp", "iat")
_NO_TEXTS: Final[dict[str, object]] = {
    "null": None,
    "true": True,
    "a number": 1,
    "an object": {},
    "empty": "",
}
_NO_TIMES: Final[dict[str, object]] = {
    "null": None,
    "true": True,
    "a text": "1999999999",
    "a date": "2099-01-01T00:00:00Z",
    "a list": [1999999999],
    "negative": -1,
    "of 400 digits": 10**400,
    "beyond the year 9999": 253402300800,
    "NaN": math.nan,
    "Infinity": math.inf,
}


def _without(name: str) -> Callable[[Forger], str]:
    return lambda forger: forger.without_claim(name)


def _with(name: str, value: object) -> Callable[[Forger], str]:
    return lambda forger: forger.with_claims(**{name: value})


def _exp_as(text: bytes) -> bytes:
    return b'"exp":' + text


def _exp_written(forger: Forger, text: bytes) -> str:
    without = {name: value for name, value in forger.claims.items() if name != "exp"}
    return forger.token(payload=compact_json(without)[:-1] + b"," + _exp_as(text) + b"}")


CLAIMS: list[Attack] = [
    *attacks(
        "missing claim",
        {f"`{name}`": _without(name) for name in _REQUIRED},
    ),
    *attacks(
        "type of a claim",
        {
            f"`{name}` {kind}": _with(name, value)
            for name in _TEXTS
            for kind, value in _NO_TEXTS.items()
        }
        | {
            f"`{name}` {kind}": _with(name, value)
            for name in _TIMES
            for kind, value in _NO_TIMES.items()
        }
        | {
            "`sub` a list of subjects": lambda f: f.with_claims(sub=[f.claims["sub"]]),
            "`sid` null": lambda f: f.with_claims(sid=None),
            "`sid` a number": lambda f: f.with_claims(sid=7),
            "`sid` empty": lambda f: f.with_claims(sid=""),
            "`scope` a list": lambda f: f.with_claims(scope=["*"]),
            "`scope` null": lambda f: f.with_claims(scope=None),
            "`scope` true": lambda f: f.with_claims(scope=True),
        },
    ),
    *attacks(
        "issuer and audience",
        {
            "another issuer": lambda f: f.with_claims(iss="https://attacker.example"),
            "our issuer and a slash": lambda f: f.with_claims(iss=f"{f.claims['iss']}/"),
            "our issuer in upper case": lambda f: f.with_claims(iss=str(f.claims["iss"]).upper()),
            "our issuer before another one": lambda f: f.with_claims(
                iss=f"{f.claims['iss']}.attacker.example"
            ),
            "a list of issuers": lambda f: f.with_claims(iss=[f.claims["iss"]]),
            "another audience": lambda f: f.with_claims(aud="https://other.example"),
            "no audience in a list": lambda f: f.with_claims(aud=[]),
            "other audiences": lambda f: f.with_claims(aud=["https://other.example"]),
            "a prefix of our audience": lambda f: f.with_claims(aud=str(f.claims["aud"])[:-1]),
            "audiences parted by blanks": lambda f: f.with_claims(aud=f"{f.claims['aud']} x"),
            "a list with what is no text": lambda f: f.with_claims(aud=[f.claims["aud"], 1]),
            "a list in a list": lambda f: f.with_claims(aud=[[f.claims["aud"]]]),
            "our audience as a member": lambda f: f.with_claims(aud={str(f.claims["aud"]): 1}),
        },
    ),
    *attacks(
        "issuer and audience",
        {
            "our audience among others": lambda f: f.with_claims(
                aud=["https://other.example", f.claims["aud"]]
            ),
        },
        ACCEPTED,
    ),
    *attacks(
        "time",
        {
            "issued in the future": lambda f: f.with_claims(iat=f.now + 60),
            "not before the future": lambda f: f.with_claims(nbf=f.now + 60),
            "expiry as 1e999": lambda f: _exp_written(f, b"1e999"),
            "expiry as -Infinity": lambda f: _exp_written(f, b"-Infinity"),
            "expiry in hexadecimal": lambda f: _exp_written(f, b"0xFFFFFFFF"),
            "expiry with a leading zero": lambda f: _exp_written(f, b"09999999999"),
            "expiry with a plus": lambda f: _exp_written(f, b"+9999999999"),
            "expiry of 5,000 digits": lambda f: _exp_written(f, b"9" * 5000),
        },
    ),
    *attacks(
        "time",
        {
            "expired": lambda f: f.with_claims(iat=f.now - 120, exp=f.now - 60),
            "expired in 1970": lambda f: f.with_claims(exp=0),
            "expired, as a fraction": lambda f: f.with_claims(exp=f.now - 60.5),
        },
        TOKEN_EXPIRED,
    ),
    *attacks(
        "time",
        {
            "expiry as a fraction": lambda f: f.with_claims(exp=f.now + 60.5),
            "expiry in scientific notation": lambda f: _exp_written(
                f, f"{(f.now + 60) / 10:.1f}e1".encode()
            ),
            "expired within the leeway": lambda f: f.with_claims(exp=f.now - 1),
        },
        ACCEPTED,
    ),
    *attacks(
        "text of a claim",
        {
            "`sub` with a line break": lambda f: f.with_claims(sub="user_1\nuser_2"),
            "`sub` with NUL": lambda f: f.with_claims(sub="user_1\0"),
            "`sub` with an escape of a terminal": lambda f: f.with_claims(sub="\x1b[2J"),
            "`sub` with reversed writing": lambda f: f.with_claims(sub="user\u202e_1"),
            "`sub` a lone surrogate": lambda f: f.with_claims(sub="\ud800"),
            "`sub` of 256 characters": lambda f: f.with_claims(sub="u" * 256),
            "`scope` with a malformed scope": lambda f: f.with_claims(scope="sessions:read ../*"),
            "`scope` with two blanks": lambda f: f.with_claims(scope="a  b"),
            "`scope` with a tab": lambda f: f.with_claims(scope="a\tb"),
            "`scope` in upper case": lambda f: f.with_claims(scope="SESSIONS:READ"),
            "`scope` with a reserved one that is none": lambda f: f.with_claims(
                scope="authsvc:root"
            ),
        },
    ),
    *attacks(
        "member twice",
        {
            "`exp`": lambda f: f.claims_and(_exp_as(str(f.now + 9999).encode())),
            "`exp`, the same": lambda f: f.claims_and(_exp_as(str(f.claims["exp"]).encode())),
            "`sub`, once in escapes": lambda f: f.claims_and(b'"s\\u0075b":"user_2"'),
            "in a nested object": lambda f: f.claims_and(b'"x":[{"y":1,"y":2}]'),
            "the whole object": lambda f: f.token(
                payload=compact_json(f.claims)[:-1] + b"," + compact_json(f.claims)[1:]
            ),
        },
    ),
    *attacks(
        "payload",
        {
            "a list": lambda f: f.token(payload=b"[]"),
            "the claims in a list": lambda f: f.token(
                payload=json.dumps([dict(f.claims)]).encode()
            ),
            "a text": lambda f: f.token(payload=b'"claims"'),
            "null": lambda f: f.token(payload=b"null"),
            "not JSON": lambda f: f.token(payload=b"claims"),
            "not UTF-8": lambda f: f.token(payload=b"\xff\xfe"),
            "a byte order mark": lambda f: f.token(
                payload=b"\xef\xbb\xbf" + compact_json(f.claims)
            ),
            "something behind it": lambda f: f.token(payload=compact_json(f.claims) + b"x"),
            "another object behind it": lambda f: f.token(payload=compact_json(f.claims) * 2),
            "NaN in a claim of no account": lambda f: f.claims_and(b'"x":NaN'),
            "a number of 5,000 digits": lambda f: f.claims_and(b'"x":' + b"9" * 5000),
            "lists nested 5,000 deep": lambda f: f.token(payload=b"[" * 5000),
            "objects nested 1,000 deep": lambda f: f.token(payload=b'{"a":' * 1000),
            "lists nested and closed": lambda f: f.claims_and(b'"x":' + b"[" * 2500 + b"]" * 2500),
            "compressed": lambda f: f.token(payload=b"x\x9c" + compact_json(f.claims)),
        },
    ),
    *attacks(
        "payload",
        {
            "claims of no account here": lambda f: f.with_claims(groups=["admin"], admin=True),
            "white space between its members": lambda f: f.token(
                payload=json.dumps(dict(f.claims), indent=1).encode()
            ),
        },
        ACCEPTED,
    ),
]
