"""Listens to a whole run: which secrets were issued in it, and whether any was told anywhere.

Told is what an operator or a stranger may read: logs, metrics, traces, the texts of errors, and
the texts of statements at the database.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from unittest import mock
from urllib.request import urlopen

from orchestrator.auth import Secret

ISSUED: Final = re.compile(r"orch_[0-9a-f]{40}|orchrt_[0-9a-f]{64}|eyJ[\w-]+\.[\w-]+\.[\w-]+")
# Shorter ones are words that may be anywhere.
_LEAST_LENGTH: Final = 12
_SCRAPE_SECONDS: Final = 1.0


class Wiretap:
    """What was issued, and what was told."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.settings: dict[str, str] = {}
        """With which servers export their traces to where they are listened to."""
        self._told: defaultdict[str, list[str]] = defaultdict(list)
        self._files: list[tuple[str, Path]] = []

    def issue(self, *secrets: str) -> None:
        """Take secrets themselves."""
        self.secrets.update(secret for secret in secrets if len(secret) >= _LEAST_LENGTH)

    def issue_from(self, text: str) -> None:
        """Take the secrets in what somebody was shown."""
        self.issue(*ISSUED.findall(text))

    def tell(self, where: str, text: str) -> None:
        """Take what was told somewhere."""
        self._told[where].append(text)

    def tell_file(self, where: str, file: Path) -> None:
        """Take what will have been written to a file at the end."""
        self._files.append((where, file))

    def tell_metrics(self, http_address: str) -> None:
        """Take what a server that still answers has to tell."""
        with (
            suppress(OSError, HTTPException),
            urlopen(f"http://{http_address}/metrics", timeout=_SCRAPE_SECONDS) as page,
        ):
            self.tell("metrics", page.read().decode())

    @contextmanager
    def overhearing(self) -> Iterator[None]:
        """Take the secrets that the Python client hands to its users."""
        make = Secret.__init__

        def overheard(secret: Secret, text: Any) -> None:  # noqa: ANN401 - it checks the type itself
            make(secret, text)
            self.issue_from(text)

        with mock.patch.object(Secret, "__init__", overheard):
            yield

    def told(self) -> dict[str, str]:
        """Return everything that was told, by where."""
        told = {where: "\n".join(texts) for where, texts in self._told.items()}
        for where, file in self._files:
            if file.exists():
                told[where] = told.get(where, "") + file.read_text(errors="replace")
        return told

    def findings(self) -> list[str]:
        """Say where secrets were told, and of what kind, without repeating them."""
        return [
            f"{where} tells a secret of {len(secret)} characters that begins with {secret[:8]!r}"
            for where, text in self.told().items()
            for secret in self.secrets | {*(ISSUED.findall(text) if where != STATEMENTS else ())}
            if secret in text
        ]


STATEMENTS: Final = "the database's log of statements"
WIRETAP: Final = Wiretap()
