"""Why the keys of an issuer are not at hand, in words for the log."""

from __future__ import annotations


class KeysNotFetched(Exception):
    """The keys of an issuer could not be fetched, or are no keys that may be used."""
