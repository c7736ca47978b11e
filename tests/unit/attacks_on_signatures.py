"""Forged signatures, and other spellings of what was signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from authsvc.domain.signing_keys import SigningAlgorithm
from authsvc.tokens.json_web_keys import json_web_key
from authsvc.tokens.key_material import load_public_key
from authsvc.tokens.stored_keys import VerificationKey
from tests.unit.attacks import (
    ACCEPTED,
    EDDSA,
    ES256,
    NO_TOKEN,
    PUBLISHED,
    RS256,
    Attack,
    Forger,
    attacks,
)
from tests.unit.forging import Issuer, b64, compact_json, with_spare_bits_changed

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493


def _decoded(signature: str) -> bytes:
    return base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))


def _signature(change: Callable[[str], str]) -> Callable[[Forger], str]:
    """Return the attack that changes the signature's text."""

    def make(forger: Forger) -> str:
        head, body, signature = forger.parts()
        return f"{head}.{body}.{change(signature)}"

    return make


def _flipped(position: int) -> Callable[[Forger], str]:
    def change(signature: str) -> str:
        data = bytearray(_decoded(signature))
        data[position] ^= 0x01
        return b64(bytes(data))

    return _signature(change)


def _halves(change: Callable[[int, int], bytes]) -> Callable[[Forger], str]:
    """Return the attack on the two numbers of a signature by ES256."""

    def of(signature: str) -> str:
        raw = _decoded(signature)
        return b64(change(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")))

    return _signature(of)


def _raw(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _public_text(issuer: Issuer, form: str) -> bytes:
    public = issuer.public_bytes or b""
    key = load_der_public_key(public)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if form == "PEM":
        return pem
    if form == "PEM without the last line break":
        return pem.strip()
    if form == "DER":
        return public
    verifying = VerificationKey(issuer.algorithm, load_public_key(issuer.algorithm, public))
    jwk = json_web_key(issuer.kid, verifying)
    assert jwk is not None
    members = jwk.members()
    return (
        members["x" if "x" in members else "n"].encode()
        if form == "its number"
        else (json.dumps(members, separators=(",", ":")).encode())
    )


def _as_hmac_secret(form: str) -> Callable[[Forger], str]:
    def make(forger: Forger) -> str:
        head = b64(compact_json(forger.header(alg="HS256")))
        message = f"{head}.{b64(compact_json(forger.claims))}"
        secret = _public_text(forger.issuer, form)
        return f"{message}.{b64(hmac.digest(secret, message.encode(), hashlib.sha256))}"

    return make


def _by_another(private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _signed_by(
    make_key: Callable[[], bytes], algorithm: SigningAlgorithm
) -> Callable[[Forger], str]:
    """Return the attack with a key of one's own under the id of a key in use."""
    return lambda forger: Issuer(forger.issuer.kid, algorithm, make_key(), None).signed(
        b64(compact_json(forger.header())), b64(compact_json(forger.claims))
    )


def _respelled(change: Callable[[str, str], tuple[str, str]]) -> Callable[[Forger], str]:
    """Return the attack that spells a segment in another way and has it signed so."""
    return lambda forger: forger.issuer.signed(*change(*forger.spare()))


SIGNATURES: list[Attack] = [
    *attacks(
        "public key as HMAC secret",
        {
            form: _as_hmac_secret(form)
            for form in ("PEM", "PEM without the last line break", "DER", "JWK", "its number")
        },
    ),
    *attacks(
        "signature",
        {
            "none": _signature(lambda _: ""),
            "one byte": _signature(lambda _: "AA"),
            "zeros": _signature(lambda s: "A" * (len(s) // 4 * 4)),
            "the first bit flipped": _flipped(0),
            "the last bit flipped": _flipped(-1),
            "cut off": _signature(lambda s: s[:-4]),
            "cut at the front": _signature(lambda s: s[4:]),
            "twice": _signature(lambda s: b64(_decoded(s) * 2)),
            "bytes behind it": _signature(lambda s: b64(_decoded(s) + b"\0")),
            "bytes before it": _signature(lambda s: b64(b"\0" + _decoded(s))),
            "of other claims": lambda f: ".".join(
                (*f.parts()[:2], f.with_claims(sub="user_2").rpartition(".")[2])
            ),
            "of another header": lambda f: ".".join(
                (*f.parts()[:2], f.with_header(typ="AT+JWT").rpartition(".")[2])
            ),
            "of the payload alone": lambda f: ".".join(
                (*f.parts()[:2], f.issuer.signed("", f.parts()[1]).rpartition(".")[2])
            ),
        },
    ),
    *attacks(
        "signature",
        {
            "of a stranger's key": _signed_by(
                lambda: _by_another(ec.generate_private_key(ec.SECP256R1())), ES256
            ),
            "on another curve": _signed_by(
                lambda: _by_another(ec.generate_private_key(ec.SECP384R1())), ES256
            ),
            "on the curve of Bitcoin": _signed_by(
                lambda: _by_another(ec.generate_private_key(ec.SECP256K1())), ES256
            ),
            "in DER": _halves(encode_dss_signature),
            "r and s zero": _halves(lambda _r, _s: _raw(0, 0)),
            "r zero": _halves(lambda _r, s: _raw(0, s)),
            "s zero": _halves(lambda r, _s: _raw(r, 0)),
            "r and s the order": _halves(lambda _r, _s: _raw(_P256_ORDER, _P256_ORDER)),
            "r and s beyond the order": _halves(lambda _r, _s: _raw(2**256 - 1, 2**256 - 1)),
            "r and s exchanged": _halves(lambda r, s: _raw(s, r)),
            "r negated": _halves(lambda r, s: _raw(_P256_ORDER - r, s)),
        },
        algorithms=(ES256,),
    ),
    *attacks(
        "signature",
        # ECDSA lets anyone turn (r, s) into (r, n - s). The token says the same and ends with the
        # same session, so nobody gains by it, and nothing here takes its text for an identity.
        {"s negated: another text, the same token": _halves(lambda r, s: _raw(r, _P256_ORDER - s))},
        ACCEPTED,
        (ES256,),
    ),
    *attacks(
        "signature",
        {
            "of a stranger's key": _signed_by(
                lambda: _by_another(rsa.generate_private_key(65537, 2048)), RS256
            ),
            "the number 1": _signature(lambda s: b64((1).to_bytes(len(_decoded(s)), "big"))),
            "all ones": _signature(lambda s: b64(b"\xff" * len(_decoded(s)))),
        },
        algorithms=(RS256,),
    ),
    *attacks(
        "signature",
        {
            "s and the group's order": _signature(
                lambda sig: b64(
                    _decoded(sig)[:32]
                    + (int.from_bytes(_decoded(sig)[32:], "little") + _ED25519_ORDER).to_bytes(
                        32, "little"
                    )
                )
            ),
            "the neutral point": _signature(lambda _: b64(b"\x01" + bytes(63))),
        },
        algorithms=(EDDSA,),
    ),
    *attacks(
        "spelling",
        {
            "spare bits of the header": _respelled(lambda h, p: (with_spare_bits_changed(h), p)),
            "spare bits of the payload": _respelled(lambda h, p: (h, with_spare_bits_changed(p))),
            "a character too many in the header": _respelled(
                lambda h, p: (h + "A" * (1 + -len(h) % 4), p)
            ),
        },
    ),
    *attacks(
        "spelling",
        {"spare bits of the signature": _signature(with_spare_bits_changed)},
        algorithms=(ES256, EDDSA),
    ),
    *attacks(
        "spelling",
        {
            "padded header": _respelled(lambda h, p: (h + "=" * (-len(h) % 4), p)),
            "padded payload": _respelled(lambda h, p: (h, p + "=" * (-len(p) % 4))),
            "padded signature": _signature(lambda s: s + "=" * (-len(s) % 4 or 4)),
            "the alphabet of standard base64": _signature(lambda s: "+/" + s[2:]),
            "a line break in the header": _respelled(lambda h, p: (h[:8] + "\n" + h[8:], p)),
            "a blank in the payload": _respelled(lambda h, p: (h, p[:8] + " " + p[8:])),
            "a foreign character in the payload": _respelled(lambda h, p: (h, p[:8] + "!" + p[8:])),
            "percent-encoded dots": lambda f: "%2E".join(f.parts()),
            "full stops of another script": lambda f: "\u3002".join(f.parts()),
        },
        NO_TOKEN,
        PUBLISHED,
    ),
]
