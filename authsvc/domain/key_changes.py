"""Which changes of a key give it more than it had: those are grants, as its making was."""

from __future__ import annotations

from authsvc.domain.address_rules import address_rules
from authsvc.domain.keys import Key
from authsvc.domain.rate_limits import RateLimit


def gives_more(before: Key, after: Key) -> bool:
    """Tell whether a key could be used after a change where it could not be before.

    That is: at some time, from some address, or more often. What it may do there is not looked
    at: its scopes are judged by themselves.
    """
    return (
        _lives_longer(before, after)
        or _opens_to_more(before.allowed_addresses, after.allowed_addresses)
        or _may_be_more(before.rate_limit, after.rate_limit)
    )


def _lives_longer(before: Key, after: Key) -> bool:
    if before.disabled and not after.disabled:
        return True
    if before.expire_time is None:
        return False
    return after.expire_time is None or after.expire_time > before.expire_time


def _opens_to_more(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    """Tell whether some address is allowed that was not, one that is not known among them."""
    old, new = address_rules(before), address_rules(after)
    return old is not None and (new is None or not old.allow_all_of(new))


def _may_be_more(before: RateLimit | None, after: RateLimit | None) -> bool:
    """Tell whether more requests might pass in some span.

    Certainly not when there are at most as many in a period that is at least as long. A lower
    rate in a shorter period lets more pass in some spans, depending on how requests are counted,
    and so counts as more.
    """
    if before is None:
        return False
    return after is None or after.requests > before.requests or after.period < before.period
