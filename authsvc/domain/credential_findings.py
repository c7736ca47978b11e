"""What is wrong with the form of a credential, in words that never repeat it.

The credential is peeled like an onion: what people and programs put around it by mistake is taken
off layer by layer, each layer is a finding, and what is left is read as a key or a token. Depends
on nothing but the grammar of credentials.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from authsvc.domain.credentials import MAX_LENGTH, TokenCredential, parse_credential
from authsvc.domain.findings import Finding, FindingCode
from authsvc.domain.key_secrets import PREFIX, is_key_secret

KEY_LENGTH: Final = 45
"""How many characters a key has, prefix included."""


@dataclass(frozen=True, slots=True, repr=False)
class FormReading:
    """What was found about a form."""

    findings: tuple[Finding, ...]
    repaired: str | None = None
    """A well-formed key or token that is left when what was found is mended; secret."""

    def __repr__(self) -> str:
        """Return a text without the credential."""
        return "FormReading(redacted)"


_MOST_LAYERS: Final = 16
_WHITE: Final = " \t\r\n"
_QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_PUNCTUATION: Final = ",;.:"
_HEADER: Final = re.compile(r"(?i:authorization)\s*:\s*")
_BEARER: Final = re.compile(r"(?i:bearer)(?: +|$)")
_GLUED: Final = re.compile(r"(?i:bearer)[:=]?(?=orch_|eyJ)")
_OTHER: Final = re.compile(r"(?i:basic|token|apikey|api-key|digest|negotiate)[ :]+")
_VARIABLE: Final = re.compile(r"\$\{?[A-Za-z_]\w*\}?|%[A-Za-z_]\w*%|\{\{.*\}\}", re.ASCII)
_PLACEHOLDER: Final = re.compile(r"(?i:<.*>|your[_-].*|(orch_)?(x{3,}|\*{3,}|\.{3,}|\u2026))")
_HINT: Final = re.compile(r"orch_[0-9a-fA-F]{4}(\u2026|\.{2,})[0-9a-fA-F]{4}")
_KEY_ID: Final = re.compile(r"key_[0-9a-z]{26}")
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_BARE_KEY: Final = re.compile(r"[0-9a-fA-F]{40}")
_OTHER_PREFIX: Final = re.compile(r"(?:sk|pk|ork|orc|key|api)_|orch-")
_NOT_HEX: Final = re.compile(r"[^0-9a-fA-F]")
_NOT_BASE64URL: Final = re.compile(r"[^A-Za-z0-9_.-]")
_SIGNED_SEGMENTS: Final = 3
_ENCRYPTED_SEGMENTS: Final = 5


class _Peeling:
    """The value while layers are taken off it, and where in it we are."""

    __slots__ = ("findings", "start", "text")

    def __init__(self, value: str) -> None:
        self.text = value
        self.start = 0
        self.findings: list[Finding] = []

    def found(
        self, code: FindingCode, position: int | None = None, length: int | None = None
    ) -> None:
        if all(finding.code is not code for finding in self.findings):
            at = None if position is None else self.start + position
            self.findings.append(Finding(code, at, length))

    def cut(self, before: int, behind: int = 0) -> None:
        self.start += before
        self.text = self.text[before : len(self.text) - behind]


def read_form(value: str) -> FormReading:
    """Find what is wrong with the form of a credential.

    Args:
        value: An Authorization header's value as it came, or a bare credential.

    Returns:
        The findings, none for a well-formed key or what has the form of a JWT; and the key or
        token that is left when they are mended, if one is left.
    """
    if len(value) > MAX_LENGTH:
        return FormReading((Finding(FindingCode.OVER_LIMIT, length=len(value)),))
    if not value:
        return FormReading((Finding(FindingCode.NOTHING_SENT),))
    peeling = _Peeling(value)
    schemes = 0
    # What is wrapped deeper than this is no slip, and each layer costs a look at all of it.
    for _ in range(_MOST_LAYERS):
        size = len(peeling.text)
        _peel_ends(peeling)
        header = _HEADER.match(peeling.text)
        if header is not None:
            peeling.found(FindingCode.HEADER_NAME)
            peeling.cut(header.end())
        schemes += _peel_scheme(peeling)
        if size == len(peeling.text):
            break
    if schemes > 1:
        peeling.found(FindingCode.SCHEME_DOUBLED)
    if not peeling.text:
        peeling.found(FindingCode.ONLY_SCHEME if schemes else FindingCode.NOTHING_SENT)
        return FormReading(tuple(peeling.findings))
    repaired = _read_core(peeling)
    return FormReading(tuple(peeling.findings), repaired)


def _peel_ends(peeling: _Peeling) -> None:
    text = peeling.text
    before = len(text) - len(text.lstrip(_WHITE))
    if before:
        peeling.found(FindingCode.WHITE_SPACE_BEFORE, 0, before)
        peeling.cut(before)
    text = peeling.text
    kept = text.rstrip(_WHITE)
    # A scheme with a blank and nothing behind it is said so elsewhere.
    if len(kept) < len(text) and kept.lower() != "bearer":
        tail = text[len(kept) :]
        broken = "\n" in tail or "\r" in tail
        code = FindingCode.LINE_BREAK_BEHIND if broken else FindingCode.WHITE_SPACE_BEHIND
        peeling.found(code, len(kept), len(tail))
        peeling.cut(0, len(tail))
    text = peeling.text
    kept = text.rstrip(_PUNCTUATION)
    if kept and len(kept) < len(text) and is_key_secret(kept[-KEY_LENGTH:]):
        peeling.found(FindingCode.PUNCTUATION_BEHIND, len(kept), len(text) - len(kept))
        peeling.cut(0, len(text) - len(kept))
    text = peeling.text
    opens, closes = text[:1] in _QUOTES, text[-1:] in _QUOTES
    if text and (opens or closes):
        peeling.found(FindingCode.QUOTED)
        peeling.cut(int(opens), int(closes and len(text) > 1))


def _peel_scheme(peeling: _Peeling) -> int:
    scheme = _BEARER.match(peeling.text)
    if scheme is not None:
        peeling.cut(scheme.end())
        return 1
    glued = _GLUED.match(peeling.text)
    if glued is not None:
        peeling.found(FindingCode.BLANK_MISSING, glued.end())
        peeling.cut(glued.end())
        return 1
    other = _OTHER.match(peeling.text)
    if other is not None:
        peeling.found(FindingCode.OTHER_SCHEME)
        peeling.cut(other.end())
    return 0


_WHOLE: Final = (
    (_VARIABLE, FindingCode.VARIABLE),
    (_HINT, FindingCode.HINT),
    (_PLACEHOLDER, FindingCode.PLACEHOLDER),
    (_KEY_ID, FindingCode.KEY_ID),
)


def _read_core(peeling: _Peeling) -> str | None:
    text = peeling.text
    for pattern, code in _WHOLE:
        if pattern.fullmatch(text):
            peeling.found(code)
            return None
    strange = next((i for i, character in enumerate(text) if not character.isascii()), None)
    if strange is not None:
        peeling.found(FindingCode.NOT_ASCII, strange)
        text = "".join(filter(str.isascii, text))
        return text if is_key_secret(text) else None
    if _PERCENT.search(text):
        peeling.found(FindingCode.PERCENT_ENCODED)
        return None
    if text.startswith("eyJ") or (text.count(".") and not text.lower().startswith(PREFIX)):
        return _read_token(peeling)
    return _read_key(peeling)


def _read_token(peeling: _Peeling) -> str | None:
    wrong = _NOT_BASE64URL.search(peeling.text)
    if wrong is not None:
        peeling.found(FindingCode.TOKEN_NOT_BASE64URL, wrong.start())
    segments = peeling.text.split(".")
    if len(segments) == _ENCRYPTED_SEGMENTS:
        peeling.found(FindingCode.TOKEN_ENCRYPTED, length=len(segments))
    elif len(segments) != _SIGNED_SEGMENTS:
        peeling.found(FindingCode.TOKEN_SEGMENTS, length=len(segments))
    elif not segments[0]:
        peeling.found(FindingCode.TOKEN_HEADER_UNREADABLE)
    elif not segments[1]:
        peeling.found(FindingCode.TOKEN_PAYLOAD_UNREADABLE)
    well_formed = isinstance(parse_credential(peeling.text), TokenCredential)
    return peeling.text if well_formed else None


def _read_key(peeling: _Peeling) -> str | None:
    text = peeling.text
    if _BARE_KEY.fullmatch(text):
        peeling.found(FindingCode.PREFIX_MISSING)
        return PREFIX + text
    other = _OTHER_PREFIX.match(text)
    if other is not None:
        peeling.found(FindingCode.PREFIX_WRONG)
        mended = PREFIX + text[other.end() :]
        return mended if is_key_secret(mended) else None
    if not text.lower().startswith(PREFIX):
        peeling.found(FindingCode.UNRECOGNISED)
        return None
    if not text.startswith(PREFIX):
        peeling.found(FindingCode.PREFIX_UPPER_CASE)
    peeling.cut(len(PREFIX))
    while peeling.text.lower().startswith(PREFIX):
        peeling.found(FindingCode.PREFIX_DOUBLED)
        peeling.cut(len(PREFIX))
    body = peeling.text
    wrong = _NOT_HEX.search(body)
    if wrong is not None:
        peeling.found(FindingCode.NOT_HEXADECIMAL, wrong.start())
    length = len(PREFIX) + len(body)
    if length < KEY_LENGTH:
        peeling.found(FindingCode.TRUNCATED, length=length)
    elif length > KEY_LENGTH:
        peeling.found(FindingCode.TOO_LONG, length=length - KEY_LENGTH)
    if wrong is None and body != body.lower():
        peeling.found(FindingCode.UPPER_CASE_HEXADECIMAL)
    mended = PREFIX + body
    return mended if is_key_secret(mended) else None
