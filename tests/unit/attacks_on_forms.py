"""What has not the form of a token, or not quite, and what is not a token's business."""

from __future__ import annotations

from tests.unit.attacks import NO_TOKEN, Attack, attacks
from tests.unit.forging import b64, compact_json

FORMS: list[Attack] = [
    *attacks(
        "form",
        {
            "one segment": lambda f: f.parts()[0],
            "two segments": lambda f: ".".join(f.parts()[:2]),
            "four segments": lambda f: f.token() + ".AAAA",
            "five segments, as of a JWE": lambda f: f.token() + ".AAAA.AAAA",
            "a JWE by its header": lambda f: ".".join(
                (
                    b64(compact_json({"alg": "dir", "enc": "A128GCM", "kid": f.issuer.kid})),
                    "",
                    "AAAA",
                    "AAAA",
                    "AAAA",
                )
            ),
            "a JWS in JSON": lambda f: compact_json(
                dict(zip(("protected", "payload", "signature"), f.parts(), strict=True))
            ).decode(),
            "a detached payload": lambda f: f"{f.parts()[0]}..{f.parts()[2]}",
            "a dot within the payload": lambda f: f.issuer.signed(
                f.parts()[0], f"{f.parts()[1][:8]}.{f.parts()[1][8:]}"
            ),
            "dots only": lambda _: "..",
            "two tokens": lambda f: f"{f.token()},{f.token()}",
            "a blank before it": lambda f: f" {f.token()}",
            "a blank behind it": lambda f: f"{f.token()} ",
            "a line break behind it": lambda f: f"{f.token()}\n",
            "a tab after the scheme": lambda f: f"Bearer\t{f.token()}",
            "NUL behind it": lambda f: f"{f.token()}\0",
            "a byte order mark before it": lambda f: f"\ufeff{f.token()}",
            "a blank of no width in it": lambda f: "\u200b".join((f.token()[:9], f.token()[9:])),
            "the scheme twice": lambda f: f"Bearer Bearer {f.token()}",
            "quoted": lambda f: f'"{f.token()}"',
            "more than 8 KiB": lambda f: f.with_claims(x="x" * 6100),
            "of millions of characters": lambda f: f.token() + "A" * 2_000_000,
        },
        NO_TOKEN,
    ),
    *attacks(
        "form",
        {"another scheme": lambda f: f"Basic {f.token()}"},
        "UNSUPPORTED_SCHEME",
    ),
]
