"""The bounds of request fields. A request is checked whole: every violation is reported."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from authsvc.domain.address_rules import MAX_RULES, MalformedRule, parse_address, parse_rule
from authsvc.domain.errors import InvalidRequest, Violation
from authsvc.domain.ids import is_id
from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.scopes import MAX_SCOPE_LENGTH, MAX_SCOPES, is_scope

MAX_VIOLATIONS: Final = 20
"""The most violations to report: the trailer that carries them has its own bound."""
MAX_NAME_LENGTH: Final = 100
MAX_NOTE_LENGTH: Final = 500
MAX_LIFETIME: Final = timedelta(days=3660)
MAX_METADATA_ENTRIES: Final = 32
MAX_METADATA_LENGTH: Final = 4096
MAX_METADATA_VALUE_LENGTH: Final = 512
MAX_METADATA_KEY_LENGTH: Final = 64
MAX_RATE_LIMIT_REQUESTS: Final = 1_000_000
MIN_RATE_LIMIT_PERIOD: Final = timedelta(seconds=1)
MAX_RATE_LIMIT_PERIOD: Final = timedelta(days=1)

_METADATA_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Cc: controls; Cs: lone surrogates; Zl, Zp: line and paragraph separators.
_UNFIT_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Explicit bidirectional controls, which can make one name look like another.
_UNFIT_CHARACTERS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINE_CHARACTERS: Final = frozenset("\n\r\t")


class Violations:
    """Collects what is wrong with a request."""

    def __init__(self) -> None:
        """Start with nothing wrong."""
        self._found: list[Violation] = []

    def add(self, field: str, description: str) -> None:
        """Note a violation.

        Args:
            field: The field's name in the proto.
            description: What is asked for; must not repeat what was sent.
        """
        if len(self._found) < MAX_VIOLATIONS:
            self._found.append(Violation(field, description))

    @property
    def found(self) -> tuple[Violation, ...]:
        """What is wrong so far."""
        return tuple(self._found)

    def raise_if_any(self, *, but: str = "") -> None:
        """End the check.

        Args:
            but: A field that may be wrong for now, as long as nothing else is.

        Raises:
            InvalidRequest: Something was wrong.
        """
        if any(violation.field != but for violation in self._found):
            raise InvalidRequest(tuple(self._found))

    def check_name(self, field: str, name: str) -> None:
        """Check a name that people see."""
        if not name:
            self.add(field, "is required")
        elif len(name) > MAX_NAME_LENGTH:
            self.add(field, f"has at most {MAX_NAME_LENGTH} characters")
        if _has_unfit_characters(name):
            self.add(field, "has no control characters")
        if name != name.strip():
            self.add(field, "has no white space at either end")

    def check_text(self, field: str, text: str, max_length: int) -> None:
        """Check what is compared with, and may be left out."""
        if len(text) > max_length:
            self.add(field, f"has at most {max_length} characters")
        if _has_unfit_characters(text):
            self.add(field, "has no control characters")

    def check_name_prefix(self, field: str, prefix: str) -> None:
        """Check the beginning of a name, which may be left out."""
        self.check_text(field, prefix, MAX_NAME_LENGTH)

    def check_id(self, field: str, value: str, prefix: str) -> None:
        """Check a required identifier."""
        if not value:
            self.add(field, "is required")
        elif not is_id(value, prefix):
            self.add(field, f"is an id like {prefix}_01h2xcejqtf2nbrexx3vqjhp41")

    def check_scopes(self, field: str, scopes: Sequence[str]) -> None:
        """Check scopes that are granted or asked for."""
        if len(scopes) > MAX_SCOPES:
            self.add(field, f"has at most {MAX_SCOPES} entries")
            return
        for index, scope in enumerate(scopes):
            if not is_scope(scope):
                self.add(
                    f"{field}[{index}]",
                    "is a scope like sessions:read, sessions:* or *, in lower case, "
                    f"of at most {MAX_SCOPE_LENGTH} characters; of those that begin with "
                    "authsvc: there are only authsvc:validate, authsvc:keys and authsvc:admin",
                )

    def check_expire_time(self, field: str, expire_time: datetime, now: datetime) -> None:
        """Check the moment when something new will end."""
        if expire_time <= now:
            self.add(field, "lies in the future")
        elif expire_time > now + MAX_LIFETIME:
            self.add(field, f"lies at most {MAX_LIFETIME.days} days ahead")

    def check_lifetime(self, field: str, lifetime: timedelta) -> None:
        """Check how long something new will live."""
        if lifetime <= timedelta(0):
            self.add(field, "is positive")
        elif lifetime > MAX_LIFETIME:
            self.add(field, f"is at most {MAX_LIFETIME.days} days")

    def check_metadata(self, field: str, metadata: Mapping[str, str]) -> None:
        """Check an owner's notes."""
        if len(metadata) > MAX_METADATA_ENTRIES:
            self.add(field, f"has at most {MAX_METADATA_ENTRIES} entries")
            return
        if any(_METADATA_KEY.fullmatch(key) is None for key in metadata):
            self.add(
                field,
                f"has keys of 1 to {MAX_METADATA_KEY_LENGTH} letters, digits, '_', '-' and '.'",
            )
        if any(len(value) > MAX_METADATA_VALUE_LENGTH for value in metadata.values()):
            self.add(field, f"has values of at most {MAX_METADATA_VALUE_LENGTH} characters")
        if sum(map(len, (*metadata.keys(), *metadata.values()))) > MAX_METADATA_LENGTH:
            self.add(field, f"has at most {MAX_METADATA_LENGTH} characters in all")
        if any(_has_unfit_characters(value) for value in metadata.values()):
            self.add(field, "has values without control characters")

    def check_address(self, field: str, address: str) -> None:
        """Check an IP address that may be left out."""
        if address and parse_address(address) is None:
            self.add(field, "is an IP address, without a port")

    def check_allowed_addresses(self, field: str, rules: Sequence[str]) -> None:
        """Check the addresses and networks that a key may be used from."""
        if len(rules) > MAX_RULES:
            self.add(field, f"has at most {MAX_RULES} entries")
            return
        for index, rule in enumerate(rules):
            try:
                parse_rule(rule)
            except MalformedRule as error:
                self.add(f"{field}[{index}]", str(error))

    def check_rate_limit(self, field: str, limit: RateLimit) -> None:
        """Check how often a key may be used."""
        if not 1 <= limit.requests <= MAX_RATE_LIMIT_REQUESTS:
            self.add(f"{field}.requests", f"is from 1 to {MAX_RATE_LIMIT_REQUESTS}")
        is_whole = not limit.period % timedelta(seconds=1)
        if not (is_whole and MIN_RATE_LIMIT_PERIOD <= limit.period <= MAX_RATE_LIMIT_PERIOD):
            self.add(f"{field}.period", "is from 1 second to 1 day, in whole seconds")

    def check_request_id(self, field: str, request_id: str) -> None:
        """Check a request id (AIP-155) that may be left out."""
        if request_id and (_UUID.fullmatch(request_id) is None or not uuid.UUID(request_id).int):
            self.add(field, "is a UUID in its text form of 36 characters, and not nil")

    def check_note(self, field: str, note: str) -> None:
        """Check a note of one or several lines."""
        if len(note) > MAX_NOTE_LENGTH:
            self.add(field, f"has at most {MAX_NOTE_LENGTH} characters")
        if _has_unfit_characters("".join(c for c in note if c not in _LINE_CHARACTERS)):
            self.add(field, "has no control characters but line breaks and tabs")


def _has_unfit_characters(text: str) -> bool:
    return any(
        character in _UNFIT_CHARACTERS or unicodedata.category(character) in _UNFIT_CATEGORIES
        for character in text
    )
