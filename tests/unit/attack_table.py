"""The list of all attacks, and the document that shows it.

`.venv/bin/python -m tests.unit.attack_table > docs/token-attacks.md` writes the document.
"""

from __future__ import annotations

import sys
from typing import Final

from tests.unit.attacks import ACCEPTED, PUBLISHED, Attack, attacks
from tests.unit.attacks_on_claims import CLAIMS
from tests.unit.attacks_on_forms import FORMS
from tests.unit.attacks_on_headers import HEADERS
from tests.unit.attacks_on_signatures import SIGNATURES

CONTROLS: Final[list[Attack]] = attacks(
    "control",
    {
        "a good token": lambda f: f.token(),
        "a good token after `Bearer`": lambda f: f"Bearer {f.token()}",
        "a good token after `bEARER` and blanks": lambda f: f"bEARER   {f.token()}",
    },
    ACCEPTED,
)
ATTACKS: Final[list[Attack]] = [*CONTROLS, *HEADERS, *SIGNATURES, *CLAIMS, *FORMS]

_INTRODUCTION: Final = """\
# Attacks on access tokens

What forgers try, and what becomes of it. A test makes each of these tokens with keys of ES256,
RS256 and EdDSA, unless an algorithm is named, and shows it to `ValidateCredential` and to the
[token verifiers](offline-verification.md) of the Python client: both give the verdict that is
written here. This page is the list of that test.

But for what it is named after, each is a good token of a key in use, and where the attack is not on
the signature, it is signed after the change: it is that one thing that is refused. Those that are
accepted show that, or say by the RFCs the same as a good token.

| what | | verdict |
|---|---|---|
"""


def document() -> str:
    """Return the document."""
    rows = []
    for attack in ATTACKS:
        name = attack.name.replace("|", "\\|")
        if attack.algorithms != PUBLISHED:
            name += f" ({', '.join(attack.algorithms)})"
        rows.append(f"| {attack.area} | {name} | {attack.verdict} |\n")
    return _INTRODUCTION + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(document())
