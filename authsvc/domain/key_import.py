"""What becomes of keys that are to be imported, by what is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from authsvc.domain.errors import InvalidRequest, KeyNameTaken, ScopeNotGrantable, Violation
from authsvc.domain.keys import Key


class ImportMode(StrEnum):
    """What a key that cannot be imported means for the others of its call."""

    EACH_BY_ITSELF = "EACH_BY_ITSELF"
    ALL_OR_NOTHING = "ALL_OR_NOTHING"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A key within bounds, and the SHA-256 digest of its secret."""

    key: Key
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Imported:
    """The key is imported."""

    key: Key
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """The account has the key already, under the same name."""

    key: Key


@dataclass(frozen=True, slots=True)
class Refused:
    """The key cannot be imported."""

    error: InvalidRequest | ScopeNotGrantable | KeyNameTaken


@dataclass(frozen=True, slots=True)
class Withheld:
    """The key could be imported, and is not because others cannot."""


Outcome: TypeAlias = Imported | AlreadyThere | Refused | Withheld
_WITHHELD: Final = Withheld()


@dataclass(frozen=True, slots=True)
class Existing:
    """What is there already of what candidates would take."""

    keys: Mapping[bytes, Key]
    """The keys of any account that have one of the digests."""
    names: frozenset[str]
    """Those of the names that live keys of the account have."""


def decide(
    candidates: Sequence[Candidate | Refused], existing: Existing, mode: ImportMode
) -> list[Outcome]:
    """Decide what becomes of each key.

    Of several with one digest or one name, the first that can be imported, or that is there
    already, has it.

    Args:
        candidates: In the order of the request, with those refused for what they are themselves.
        existing: What is there.
        mode: What one that is refused means for the others.
    """
    digests: set[bytes] = set()
    names = set(existing.names)
    outcomes: list[Outcome] = []
    for index, candidate in enumerate(candidates):
        if isinstance(candidate, Refused):
            outcomes.append(candidate)
            continue
        outcome = _decide_one(index, candidate, existing, digests, names)
        if not isinstance(outcome, Refused):
            digests.add(candidate.digest)
            names.add(candidate.key.name)
        outcomes.append(outcome)
    if mode is ImportMode.ALL_OR_NOTHING and any(isinstance(one, Refused) for one in outcomes):
        return [_WITHHELD if isinstance(one, Imported) else one for one in outcomes]
    return outcomes


def _decide_one(
    index: int, candidate: Candidate, existing: Existing, digests: set[bytes], names: set[str]
) -> Imported | AlreadyThere | Refused:
    key, digest = candidate.key, candidate.digest
    if digest in digests:
        return _digest_refused(index, "is that of an earlier key of this call")
    there = existing.keys.get(digest)
    if there is not None:
        if (there.account_id, there.name) == (key.account_id, key.name):
            return AlreadyThere(there)
        # Whose it is, and what it is called, is not told.
        return _digest_refused(index, "is that of another key")
    if key.name in names:
        return Refused(KeyNameTaken())
    return Imported(key, digest)


def _digest_refused(index: int, description: str) -> Refused:
    return Refused(InvalidRequest((Violation(f"keys[{index}].digest", description),)))
