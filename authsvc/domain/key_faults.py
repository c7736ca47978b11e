"""Everything that is wrong with a known key, for people: the verdict names one reason only."""

from __future__ import annotations

from datetime import datetime

from authsvc.domain.accounts import AccountState
from authsvc.domain.address_rules import address_rules
from authsvc.domain.findings import Finding, FindingCode
from authsvc.domain.keys import KeyState, OwnedKey


def key_faults(
    known: OwnedKey, client_address: str, missing: tuple[str, ...], now: datetime
) -> tuple[Finding, ...]:
    """Return why a known key is refused, all reasons and not only the first.

    Args:
        known: The key, and whose it is.
        client_address: The IP address that presented it; empty when it is not known.
        missing: The required scopes that it lacks.
        now: The moment that it is judged at.
    """
    key = known.key
    expired = key.expire_time is not None and key.expire_time <= now
    faults = {
        FindingCode.KEY_REVOKED: key.state_at(now) is KeyState.REVOKED,
        FindingCode.KEY_DISABLED: key.disabled,
        FindingCode.KEY_EXPIRED: expired,
        FindingCode.ACCOUNT_DISABLED: known.account.state is AccountState.DISABLED,
    }
    found = [Finding(code) for code, is_so in faults.items() if is_so]
    found += _address_faults(key.allowed_addresses, client_address)
    found += [Finding(FindingCode.SCOPES_MISSING)] if missing else []
    return tuple(found)


def _address_faults(allowed: tuple[str, ...], client_address: str) -> list[Finding]:
    rules = address_rules(allowed)
    if rules is None or rules.allow(client_address):
        return []
    code = FindingCode.ADDRESS_NOT_ALLOWED if client_address else FindingCode.ADDRESS_MISSING
    return [Finding(code, length=len(allowed))]
