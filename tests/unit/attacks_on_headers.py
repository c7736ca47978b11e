"""Forged headers, each under a good signature."""

from __future__ import annotations

from tests.unit.attacks import ACCEPTED, NO_TOKEN, Attack, attacks
from tests.unit.forging import b64, compact_json

HEADERS: list[Attack] = [
    *attacks(
        "algorithm",
        {
            "`none`": lambda f: f.with_header(alg="none"),
            "`None`": lambda f: f.with_header(alg="None"),
            "`NONE`": lambda f: f.with_header(alg="NONE"),
            "`nOnE`": lambda f: f.with_header(alg="nOnE"),
            "`none` and a blank": lambda f: f.with_header(alg="none "),
            "`none` in escapes": lambda f: f.token(
                header=compact_json(f.header(alg="?")).replace(b'"?"', b'"\\u006eone"')
            ),
            "`none`, without a signature": lambda f: (
                f.with_header(alg="none").rpartition(".")[0] + "."
            ),
            "empty": lambda f: f.with_header(alg=""),
            "null": lambda f: f.with_header(alg=None),
            "a number": lambda f: f.with_header(alg=256),
            "a list": lambda f: f.with_header(alg=[f.issuer.algorithm.value]),
            "an object": lambda f: f.with_header(alg={"alg": f.issuer.algorithm.value}),
            "in lower case": lambda f: f.with_header(alg=f.issuer.algorithm.value.lower() + "_"),
            "unknown": lambda f: f.with_header(alg="XX256"),
            "HS256 over a good signature": lambda f: f.with_header(alg="HS256"),
            "PS256 over a good signature": lambda f: f.with_header(alg="PS256"),
            "ES512 over a good signature": lambda f: f.with_header(alg="ES512"),
            "missing": lambda f: f.token(header={"kid": f.issuer.kid, "typ": "at+jwt"}),
            "twice": lambda f: f.header_and(b'"alg":"none"'),
            "twice, the same": lambda f: f.header_and(f'"alg":"{f.issuer.algorithm}"'.encode()),
            "in upper case as a member": lambda f: f.token(
                header={"ALG": f.issuer.algorithm.value, "kid": f.issuer.kid, "typ": "at+jwt"}
            ),
        },
    ),
    *attacks(
        "kid",
        {
            "missing": lambda f: f.token(header={"alg": f.issuer.algorithm.value, "typ": "at+jwt"}),
            "unknown": lambda f: f.with_header(kid="jwk_unknown"),
            "empty": lambda f: f.with_header(kid=""),
            "null": lambda f: f.with_header(kid=None),
            "a number": lambda f: f.with_header(kid=7),
            "a list": lambda f: f.with_header(kid=[f.issuer.kid]),
            "a path": lambda f: f.with_header(kid="../../../../dev/null"),
            "a URL": lambda f: f.with_header(kid="https://attacker.example/key"),
            "SQL": lambda f: f.with_header(kid="x' UNION SELECT 'key' --"),
            "a shell command": lambda f: f.with_header(kid="$(id)|id"),
            "with NUL behind it": lambda f: f.with_header(kid=f"{f.issuer.kid}\0"),
            "with a line break behind it": lambda f: f.with_header(kid=f"{f.issuer.kid}\n"),
            "in upper case": lambda f: f.with_header(kid=f.issuer.kid.upper()),
            "65 characters": lambda f: f.with_header(kid="k" * 65),
            "a lone surrogate": lambda f: f.with_header(kid="\ud800"),
            "twice, once in escapes": lambda f: f.header_and(b'"k\\u0069d":"x"'),
        },
    ),
    *attacks(
        "key in the header",
        {
            "`jwk` of the attacker": lambda f: f.with_header(jwk={"kty": "oct", "k": "AAAA"}),
            "`jku`": lambda f: f.with_header(jku="https://attacker.example/jwks.json"),
            "`x5u`": lambda f: f.with_header(x5u="https://attacker.example/cert.pem"),
            "`x5c`": lambda f: f.with_header(x5c=["MIIB"]),
            "`x5t`": lambda f: f.with_header(x5t="AAAA"),
            "`x5t#S256`": lambda f: f.with_header(**{"x5t#S256": "AAAA"}),
            "`epk`": lambda f: f.with_header(epk={"kty": "EC", "crv": "P-256"}),
        },
    ),
    *attacks(
        "other members",
        {
            "`crit` of a claim": lambda f: f.with_header(crit=["exp"]),
            "`crit`, empty": lambda f: f.with_header(crit=[]),
            "`crit` of an extension": lambda f: f.with_header(crit=["x"], x=1),
            "`b64` false": lambda f: f.with_header(b64=False, crit=["b64"]),
            "`b64` false, not critical": lambda f: f.with_header(b64=False),
            "`b64` true": lambda f: f.with_header(b64=True),
            "`cty` JWT: a nested token": lambda f: f.token(
                header=f.header(cty="JWT"), payload=f.token().encode()
            ),
            "`cty` JWT over good claims": lambda f: f.with_header(cty="JWT"),
            "`zip`": lambda f: f.with_header(zip="DEF"),
            "`enc`": lambda f: f.with_header(enc="A128GCM"),
            "`iss` in the header": lambda f: f.with_header(iss="https://attacker.example"),
            "unknown": lambda f: f.with_header(x=1),
            "without a name": lambda f: f.with_header(**{"": 1}),
        },
    ),
    *attacks(
        "typ",
        {
            "missing": lambda f: f.token(
                header={"alg": f.issuer.algorithm.value, "kid": f.issuer.kid}
            ),
            "`JWT`": lambda f: f.with_header(typ="JWT"),
            "of an id token": lambda f: f.with_header(typ="id+jwt"),
            "of a log-out token": lambda f: f.with_header(typ="logout+jwt"),
            "of a proof of possession": lambda f: f.with_header(typ="dpop+jwt"),
            "empty": lambda f: f.with_header(typ=""),
            "null": lambda f: f.with_header(typ=None),
            "a list": lambda f: f.with_header(typ=["at+jwt"]),
            "with a blank": lambda f: f.with_header(typ="at+jwt "),
            "with a look-alike letter": lambda f: f.with_header(typ="\u0430t+jwt"),
            "with a dotless capital": lambda f: f.with_header(typ="at+\u0130wt"),
        },
    ),
    *attacks(
        "typ",
        {
            "in upper case, as media types may be": lambda f: f.with_header(typ="AT+JWT"),
            "in full": lambda f: f.with_header(typ="application/at+jwt"),
        },
        ACCEPTED,
    ),
    *attacks(
        "header",
        {
            "600 characters": lambda f: f.token(
                header=compact_json(f.header())[:-1] + b" " * 400 + b"}"
            ),
            "an empty object": lambda f: f.token(header=b"{}"),
            "a list": lambda f: f.token(header=b"[]"),
            "a text": lambda f: f.token(header=b'"header"'),
            "a number": lambda f: f.token(header=b"1"),
            "null": lambda f: f.token(header=b"null"),
            "not JSON": lambda f: f.token(header=b"{"),
            "single quotes": lambda f: f.token(header=compact_json(f.header()).replace(b'"', b"'")),
            "a comma too many": lambda f: f.token(header=compact_json(f.header())[:-1] + b",}"),
            "a comment": lambda f: f.token(header=b"/**/" + compact_json(f.header())),
            "not UTF-8": lambda f: f.header_and(b'"\xff":1'),
            "overlong UTF-8": lambda f: f.header_and(b'"\xc0\xae":1'),
            "UTF-16": lambda f: f.token(header=compact_json(f.header()).decode().encode("utf-16")),
            "a byte order mark": lambda f: f.token(
                header=b"\xef\xbb\xbf" + compact_json(f.header())
            ),
            "something behind it": lambda f: f.token(header=compact_json(f.header()) + b"{}"),
            "nested deeply": lambda f: f.token(header=b"[" * 380),
        },
    ),
    *attacks(
        "header",
        {
            "empty": lambda f: f.issuer.signed("", b64(compact_json(f.claims))),
        },
        NO_TOKEN,
    ),
]
