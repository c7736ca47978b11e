"""What the clients take and return for many keys, and for leaked ones: frozen values."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from orchestrator.auth._secret import Secret, revealed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from orchestrator.auth._details import FieldViolation
    from orchestrator.auth._enums import LeakReportOutcome
    from orchestrator.auth._error_reasons import ErrorReason
    from orchestrator.auth._key_model import Key, RateLimit

_SECRET: Final = re.compile(r"orch_([0-9a-fA-F]{4})[0-9a-fA-F]{32}([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class KeyToImport:
    """A key that another system gave out, for `import_keys`.

    `digest` is the SHA-256 digest of the whole secret, 32 bytes. `hint` is what may be shown of
    the secret, `orch_1a2b…c3d4`. Times are aware; `create_time` None is now, or the earliest of
    the others.
    """

    digest: bytes = field(repr=False)
    name: str
    scopes: Collection[str] = ()
    create_time: datetime | None = None
    expire_time: datetime | None = None
    last_use_time: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    hint: str = ""
    disabled: bool = False
    allowed_addresses: Collection[str] = ()
    rate_limit: RateLimit | None = None

    @classmethod
    def from_secret(
        cls,
        secret: Secret | str,
        name: str,
        *,
        scopes: Collection[str] = (),
        create_time: datetime | None = None,
        expire_time: datetime | None = None,
        last_use_time: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        disabled: bool = False,
        allowed_addresses: Collection[str] = (),
        rate_limit: RateLimit | None = None,
    ) -> KeyToImport:
        """Make one of a secret, which goes no further: only its digest and hint are kept.

        Raises:
            ValueError: It is not `orch_` and 40 hexadecimal characters; the error does not
                repeat it.
        """
        text = revealed(secret)
        form = _SECRET.fullmatch(text)
        if form is None:
            raise ValueError("the secret is not orch_ and 40 hexadecimal characters")
        return cls(
            digest=hashlib.sha256(text.encode()).digest(),
            name=name,
            scopes=scopes,
            create_time=create_time,
            expire_time=expire_time,
            last_use_time=last_use_time,
            metadata=metadata or {},
            hint=f"orch_{form[1]}…{form[2]}",
            disabled=disabled,
            allowed_addresses=allowed_addresses,
            rate_limit=rate_limit,
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """The key was imported."""

    key: Key


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """The account had the key already, with this digest and this name. Nothing was changed."""

    key: Key


@dataclass(frozen=True, slots=True)
class ImportFailed:
    """The key cannot be imported: INVALID_REQUEST, SCOPE_NOT_GRANTABLE or KEY_NAME_TAKEN."""

    reason: ErrorReason
    field_violations: tuple[FieldViolation, ...]


@dataclass(frozen=True, slots=True)
class Withheld:
    """The key could have been imported, but others could not and the mode is ALL_OR_NOTHING."""


ImportResult: TypeAlias = Imported | AlreadyThere | ImportFailed | Withheld


@dataclass(frozen=True, slots=True)
class ImportedKeys:
    """What became of each key, in their order, and how many of them this call imported.

    `revision` covers all that are there now; it is what `validate` takes as `at_least_revision`.
    0 when none is.
    """

    results: tuple[ImportResult, ...]
    imported_count: int
    revision: int


@dataclass(frozen=True, slots=True)
class RevokedKeys:
    """How many keys a call ended, and the revision that covers them all; 0 when there were none."""

    revoked_count: int
    revision: int


@dataclass(frozen=True, slots=True)
class ReportedKey:
    """A key whose secret was reported: it is revoked, by this report or before."""

    key_id: str
    revoke_time: datetime
    outcome: LeakReportOutcome
    revision: int
