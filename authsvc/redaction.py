"""Taking what looks like a credential out of a text that is about to be logged.

Nothing logs credentials on purpose; this is the net below. Strangers write part of what it reads,
so its time must grow with the length of a text and no faster: every form begins with letters of its
own, and takes in what follows without going back (`++`, `*+`). No form is looked for again in what
another one has passed over, so none may pass over much and then fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import unquote

REDACTED: Final = "[redacted]"

# The text may have been quoted before, more than once: `\"`, `\\\"`.
_QUOTES: Final = r"[\"'\\]*+"
# In a line of JSON the quote before it may be the end of a text, or it may be the name of a field.
_QUOTED: Final = rf"(?![,:}}\]])(?:[^\"'\\\r\n]++|\\++(?![\"']))++(?!{_QUOTES}\s*+:)"
_SCHEME: Final = r"(?:(?:apikey|basic|bearer|digest|dpop|negotiate|token)\s++)?"
_HEADER: Final = r"(?:authorization|api[_-]?key)"
_BARE_HEADER: Final = rf"(?:(?:authorization|x-api-key){_QUOTES}\s*+[:=]|api[_-]?key\s*+=)"
_PASSWORD: Final = r"password"  # noqa: S105 - the name of one

# Keys and refresh tokens, whole or cut short, but not the four digits of a hint; JWTs, or what is
# there of them; hashes of passwords; and what goes by the name of a header that brings a
# credential, or of a password: quoted, as in `_Metadatum(key='authorization', value='Bearer …')`,
# or bare, as in `authorization: Bearer …` and `?password=…`. What stands before the last two is
# kept, so that the line still says which header or database it is about.
_FORMS: Final = (
    r"(?:orch|orchrt)_[0-9a-f]{8,}+",
    r"(?-i:eyJ)[a-z0-9_-]{8,}+(?:\.[a-z0-9_-]*+){0,4}",
    r"\$argon2[a-z]{0,2}\$[a-z0-9+/=,$-]*+",
    (
        rf"(?P<quoted>(?:{_HEADER}{_QUOTES}(?:\s*+[:=,]?+\s*+{_QUOTES}value{_QUOTES})?\s*+[:=,]"
        rf"|{_PASSWORD}{_QUOTES}\s*+[:=])\s*+b?\\*+[\"']{_SCHEME}){_QUOTED}"
    ),
    rf"(?P<bare>{_BARE_HEADER}\s*+{_SCHEME})[^\s\"',;&)\\]++",
    # A password may hold what ends another value; of quotes only what no JSON string has bare.
    rf"(?P<parameter>{_PASSWORD}\s*+=\s*+)(?:[^\s\"&\\]++|\\.)++",
)
# Whether a URL has a password shows where it ends, and what is no password, but a port and a path,
# may still hold other credentials.
_URL: Final = re.compile(r"(?P<user>://[^\s:/?#@]*+:)(?P<rest>\S++)")

_SHORTEST_SECRET: Final = 8
_EXPORTER_HEADERS: Final = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")


def redaction(secrets: Sequence[str] = ()) -> Callable[[str], str]:
    """Return a function that replaces whatever looks like a credential in a text.

    Args:
        secrets: More that is replaced, letter for letter, because it has no form of its own.
    """
    # Also as JSON writes them; and none is to hide the rest of one that it is the beginning of.
    spellings = {text for each in secrets for text in (each, json.dumps(each)[1:-1]) if text}
    literals = (re.escape(text) for text in sorted(spellings, key=len, reverse=True))
    forms = re.compile("|".join((*literals, *_FORMS)), re.IGNORECASE)

    def redacted(text: str) -> str:
        return forms.sub(_without_secret, _URL.sub(_without_password, text))

    return redacted


def exporter_secrets(environment: Mapping[str, str]) -> list[str]:
    """Return the values of the headers that OpenTelemetry sends to a collector.

    Their names are anybody's choice, and OpenTelemetry logs what it cannot read of them.

    Args:
        environment: Has them as `name=value`, separated by commas, percent-encoded or not.
    """
    parts = (part for name in _EXPORTER_HEADERS for part in environment.get(name, "").split(","))
    texts = {text for part in parts for text in _values(part)}
    # What is shorter is no secret, and would be found in the middle of words.
    return sorted(text for text in texts if len(text) >= _SHORTEST_SECRET)


def _values(header: str) -> Iterator[str]:
    """Return what may be a secret in a header: its value, or each word of what is no header."""
    _, separator, value = header.partition("=")
    text = value if separator else header
    for spelling in (text.strip(), unquote(text).strip()):
        if separator:
            yield spelling
        # Of `Basic …`, what follows may be told alone.
        yield from spelling.replace(":", " ").split()


def _without_secret(match: re.Match[str]) -> str:
    return f"{match['quoted'] or match['bare'] or match['parameter'] or ''}{REDACTED}"


def _without_password(match: re.Match[str]) -> str:
    _, sign, after = match["rest"].rpartition("@")
    return f"{match['user']}{REDACTED}{sign}{after}" if sign else match[0]
