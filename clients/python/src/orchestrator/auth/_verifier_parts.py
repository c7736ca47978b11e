"""What the sync and the async token verifier have in common: their parts and settings."""

from __future__ import annotations

import logging
import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from orchestrator.auth._claims import TokenRules
from orchestrator.auth._errors import ConfigurationError
from orchestrator.auth._key_set import KeySet
from orchestrator.auth._revocations import Revocations
from orchestrator.auth._secret import Secret, revealed
from orchestrator.auth._to_wire import encodable
from orchestrator.auth._token_judge import TokenJudge, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.auth._errors import AuthServiceError
    from orchestrator.auth._public_keys import PublicKey
    from orchestrator.auth._signing_key_model import JsonWebKey

DEFAULT_LEEWAY: Final = timedelta(seconds=10)
DEFAULT_MAX_STALENESS: Final = timedelta(seconds=5)
DEFAULT_MAX_KEY_AGE: Final = timedelta(minutes=15)
DEFAULT_REMEMBERED: Final = 10_000

CLOSED: Final = "this verifier is closed"

_LONGEST_LEEWAY: Final = timedelta(minutes=5)
_LONGEST_PAUSE: Final = 5.0

_log: Final = logging.getLogger("orchestrator.auth")


class Parts(NamedTuple):
    """What judges, and the keys that it judges by."""

    judge: TokenJudge
    keys: KeySet


def make_parts(
    *,
    issuer: str,
    audience: str,
    leeway: timedelta,
    max_staleness: timedelta,
    max_key_age: timedelta,
    remembered: int,
    other_issuers: bool,
) -> Parts:
    """Check the settings of a verifier, and make its parts.

    Raises:
        ConfigurationError: A library is missing.
        ValueError: A setting is out of bounds; the text names it.
    """
    if not issuer or not audience:
        raise ValueError("issuer and audience are what access tokens have in iss and aud")
    if not timedelta(0) <= leeway <= _LONGEST_LEEWAY:
        raise ValueError("leeway is from 0 to 5 minutes")
    if max_staleness <= timedelta(0) or max_key_age <= timedelta(0):
        raise ValueError("max_staleness and max_key_age are positive")
    if remembered < 1:
        raise ValueError("remembered is positive")
    keys = KeySet(read_key=_key_reader(), longest_kept=max_key_age, monotonic=time.monotonic)
    revocations = Revocations(
        leeway=leeway, max_staleness=max_staleness, clock=utc_now, monotonic=time.monotonic
    )
    judge = TokenJudge(
        rules=TokenRules(issuer, audience, leeway),
        keys=keys,
        revocations=revocations,
        remembered=remembered,
        other_issuers=other_issuers,
        clock=utc_now,
    )
    return Parts(judge, keys)


def text_of(authorization: Secret | str | None) -> str:
    """Return an Authorization header's value as it is judged; empty when there was none.

    Raises:
        TypeError: It is neither a text nor None.
    """
    return encodable(None if authorization is None else revealed(authorization))


def pause() -> float:
    """Return the seconds until the next watch after one that failed, spread at random."""
    return random.uniform(_LONGEST_PAUSE / 5, _LONGEST_PAUSE)  # noqa: S311 - no secret


def log_failure(what: str, error: AuthServiceError) -> None:
    """Log that the verifier goes on asking the service."""
    _log.warning("the token verifier cannot %s and asks the service instead: %s", what, error)


def _key_reader() -> Callable[[JsonWebKey], PublicKey | None]:
    try:
        from orchestrator.auth import _public_keys  # noqa: PLC0415 - needs an optional library
    except ImportError as error:
        raise ConfigurationError(
            "verifying tokens takes PyJWT and cryptography: install orchestrator-auth[verifier]"
        ) from error
    return _public_keys.read_key
