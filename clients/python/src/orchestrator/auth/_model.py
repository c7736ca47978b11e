"""What goes into and comes out of the clients: frozen values. Depends on `_enums` and `_secret`.

Keys and accounts are in `_key_model` and `_account_model`. There as here, times are aware UTC
datetimes, spans are timedeltas, what is not set is None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime, timedelta

    from orchestrator.auth._enums import DenialReason, FreshnessSource, PrincipalKind
    from orchestrator.auth._errors import AuthServiceError
    from orchestrator.auth._finding_codes import FindingCode
    from orchestrator.auth._key_model import Key
    from orchestrator.auth._secret import Secret


class Unset(Enum):
    """The type of `UNSET`: an argument that is left out, where None has a meaning."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


UNSET: Final = Unset.UNSET
"""Leave it as it is."""


class Anonymous(Enum):
    """The type of `ANONYMOUS`: a client without a credential of its own."""

    ANONYMOUS = "ANONYMOUS"

    def __repr__(self) -> str:
        return self.name


ANONYMOUS: Final = Anonymous.ANONYMOUS
"""As a client's `api_key`: there is none, not even from the environment. It is enough to log in, to
refresh a session and to get the public keys of access tokens; other calls are `Unauthenticated`.
"""


class HttpBody(TypedDict):
    """The JSON body of an HTTP response to a refused credential."""

    error: str
    message: str
    code: int


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What is known of the end client's request that carried a credential; None: not known.

    Args:
        client_ip: The end client's IP address in text form, at most 64 characters.
        user_agent: The end client's User-Agent header.
        method: What it asked for, as `POST /api/sessions`.
    """

    client_ip: str | None = None
    user_agent: str | None = None
    method: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A credential to be judged by `check_many`, with its own demands.

    The arguments are those of `validate`. `repr` does not show the credential.
    """

    authorization: Secret | str | None = field(repr=False)
    required_scopes: Collection[str] = ()
    at_least_revision: int | None = None
    authoritative: bool = False
    context: RequestContext | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a good credential stands for and what it may do.

    `key_id` and `key_name` are set for API keys, `user_id` for users, `session_id` for users whose
    token belongs to a session.

    `superseded_by` is the id of the key that takes this one's place, once it was rotated, else
    empty: whoever presents this key is to change to that one before `retire_time`, its end.
    """

    kind: PrincipalKind
    account_id: str
    key_id: str | None
    key_name: str | None
    user_id: str | None
    session_id: str | None
    scopes: tuple[str, ...]
    expire_time: datetime | None
    metadata: Mapping[str, str] = field(hash=False)
    superseded_by: str = ""
    retire_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a credential is refused, ready to be pasted into an HTTP response.

    `http_status` is always in the 400s.
    """

    reason: DenialReason
    message: str
    http_status: int
    error: str
    www_authenticate: str | None = None
    retry_after: timedelta | None = None

    def http_body(self) -> HttpBody:
        """Return the JSON body of the HTTP response: `error`, `message`, `code`."""
        return {"error": self.error, "message": self.message, "code": self.http_status}

    def http_headers(self) -> dict[str, str]:
        """Return the header fields that belong in the HTTP response.

        `WWW-Authenticate` (RFC 6750 section 3) and `Retry-After` in whole seconds, rounded up
        (RFC 9110 section 10.2.3), each when it is set.
        """
        headers = {}
        if self.www_authenticate is not None:
            headers["WWW-Authenticate"] = self.www_authenticate
        if self.retry_after is not None:
            headers["Retry-After"] = str(math.ceil(self.retry_after.total_seconds()))
        return headers


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old an answer is: every change committed before `as_of` is reflected in it."""

    source: FreshnessSource
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a question: a principal or a denial, and how old it is.

    A verdict counts as true only when the credential is good, so that a bare `if verdict:` cannot
    let a denial pass.
    """

    outcome: Principal | Denial
    freshness: Freshness

    @property
    def principal(self) -> Principal | None:
        """The principal, or None when the credential is refused."""
        return None if isinstance(self.outcome, Denial) else self.outcome

    @property
    def denial(self) -> Denial | None:
        """The denial, or None when the credential is good."""
        return self.outcome if isinstance(self.outcome, Denial) else None

    def __bool__(self) -> bool:
        return not isinstance(self.outcome, Denial)


@dataclass(frozen=True, slots=True)
class Undecided:
    """In the place of a verdict of `check_many`: nobody can tell whether this credential is good.

    It counts as false, and has neither a principal nor a denial. Answer as after an
    `AuthServiceError`, with 503, or raise `error`.
    """

    error: AuthServiceError

    @property
    def principal(self) -> None:
        """None: the credential may be bad."""
        return

    @property
    def denial(self) -> None:
        """None: the credential may be good."""
        return

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found about a credential. Nothing of the credential is in it.

    `text` says it in English. `position` is the index, from 0, of a character in the value as it
    was sent; `length` a number of characters, of a JWT's segments or of seconds, as the code says;
    `claim` the name of a JWT's claim; `issuer` what the server calls another issuer.
    """

    code: FindingCode
    text: str
    position: int | None = None
    length: int | None = None
    claim: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a credential is refused, and what to do about it. Nothing of the credential is in it.

    `key` is the known key that the credential is, whatever its state. `missing_scopes` are those
    of the required scopes that it lacks. `hint` says what to do next.

    An explanation counts as true only when the credential is good, as its verdict does.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    hint: str
    key: Key | None
    missing_scopes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.verdict)
