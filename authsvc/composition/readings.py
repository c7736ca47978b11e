"""What the parts of the service count about themselves, read off as samples of metrics.

A number that a part keeps is named here and in `authsvc.metrics.catalog`, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

from authsvc.composition.judging import Judging
from authsvc.composition.signing import Signing
from authsvc.config import Settings
from authsvc.metrics import catalog
from authsvc.metrics.samples import Sample, durations_sample
from authsvc.passwords.argon2_hasher import Argon2Hasher
from authsvc.postgres.database import Database
from authsvc.postgres.follower import ChangeFollower
from authsvc.rate_limits.in_process import InProcessLimits
from authsvc.rate_limits.opening import RateLimits
from authsvc.usecases.audit_denials import AuditDenials
from authsvc.usecases.usage import UsageCounter


def of_verdicts(judging: Judging) -> Iterator[Sample]:
    """Tell what callers were told."""
    for labels, count in judging.verdicts.figures().items():
        yield Sample(catalog.VERDICTS, count, labels)
    yield Sample(catalog.GUESSES_REFUSED, judging.failures.refusals.count)


def of_memory(judging: Judging) -> Iterator[Sample]:
    """Tell what is in memory."""
    records = judging.records
    for name, figures in (
        ("keys", records.keys.figures()),
        ("accounts", records.accounts.figures()),
        ("users", records.users.figures()),
        ("sessions", records.sessions.figures()),
    ):
        yield Sample(catalog.CACHE_LOOKUPS, figures.hits, (name, "hit"))
        yield Sample(catalog.CACHE_LOOKUPS, figures.absent_hits, (name, "absent"))
        yield Sample(catalog.CACHE_LOOKUPS, figures.misses, (name, "miss"))
        yield Sample(catalog.CACHE_ENTRIES, figures.entries, (name,))
        yield Sample(catalog.CACHE_ABSENT_ENTRIES, figures.absent_entries, (name,))
        yield Sample(catalog.CACHE_EVICTIONS, figures.evictions, (name,))
        yield Sample(catalog.CACHE_READS, figures.reads_in_flight, (name,))


def of_freshness(settings: Settings, judging: Judging) -> Iterator[Sample]:
    """Tell how far the change log is followed."""
    age = judging.log.age()
    yield Sample(catalog.FRESHNESS_AGE, math.inf if age is None else age)
    yield Sample(catalog.FRESHNESS_LIMIT, settings.max_staleness)
    yield from _of_follower(judging.follower)
    yield Sample(catalog.WATCH_STREAMS, judging.feed.streams)
    yield Sample(catalog.WATCH_RESETS, judging.feed.resets.count)


def _of_follower(follower: ChangeFollower) -> Iterator[Sample]:
    yield Sample(catalog.FOLLOWER_CONNECTED, follower.is_connected)
    yield Sample(catalog.FOLLOWER_CONNECTIONS, follower.connections)
    yield Sample(catalog.FOLLOWER_CHANGES, follower.changes)
    yield Sample(catalog.FOLLOWER_GAPS, follower.gaps)


def of_database(database: Database) -> Iterator[Sample]:
    """Tell how the pool is used."""
    size, figures = database.pool_size(), database.figures
    yield Sample(catalog.POOL_CONNECTIONS, size.busy, ("busy",))
    yield Sample(catalog.POOL_CONNECTIONS, size.idle, ("idle",))
    yield Sample(catalog.POOL_LIMIT, size.limit)
    yield Sample(catalog.POOL_WAITING, figures.waiting)
    yield durations_sample(catalog.DATABASE_WAIT, figures.waits)
    yield durations_sample(catalog.DATABASE_WORK, figures.works)
    yield Sample(catalog.DATABASE_REPEATS, figures.repeats)
    for kind, count in figures.errors.items():
        yield Sample(catalog.DATABASE_ERRORS, count, (kind,))


def of_usage(usage: UsageCounter) -> Iterator[Sample]:
    """Tell what is counted of keys and not written yet."""
    figures = usage.figures
    yield Sample(catalog.USAGE_LAG, usage.lag_seconds())
    yield Sample(catalog.USAGE_BUFFERED, usage.buffered())
    yield Sample(catalog.USAGE_FLUSHES, figures.flushes, ("ok",))
    yield Sample(catalog.USAGE_FLUSHES, figures.failures, ("failed",))
    yield Sample(catalog.USAGE_BATCHES, figures.batches)
    yield Sample(catalog.USAGE_DROPPED, figures.dropped)


def of_audit(audit_denials: AuditDenials) -> Iterator[Sample]:
    """Tell what is not in the audit log."""
    yield Sample(catalog.AUDIT_DROPPED, audit_denials.left_out.count, ("limit",))
    yield Sample(catalog.AUDIT_DROPPED, audit_denials.unwritten.count, ("unwritten",))


def of_rate_limits(rate_limits: RateLimits) -> Iterator[Sample]:
    """Tell how the limits of keys are kept."""
    state = rate_limits.state
    yield Sample(catalog.RATE_LIMIT_DECISIONS, state.decided_in_process, ("process",))
    if not isinstance(rate_limits, InProcessLimits):
        yield Sample(catalog.RATE_LIMIT_DECISIONS, state.decided_by_store, ("store",))
        yield Sample(catalog.RATE_LIMIT_STORE_AWAY, state.fallback)
        yield Sample(catalog.RATE_LIMIT_STORE_ERRORS, state.store_errors)


def of_passwords(hasher: Argon2Hasher) -> Iterator[Sample]:
    """Tell how busy the hashing of passwords is."""
    yield Sample(catalog.PASSWORDS_IN_PROGRESS, hasher.in_progress)
    yield Sample(catalog.PASSWORDS_LIMIT, hasher.capacity)


def of_tokens(settings: Settings, signing: Signing, judging: Judging) -> Iterator[Sample]:
    """Tell how old the keys of tokens are, our own and those of other issuers."""
    since = signing.keyring.signs_since()
    if since is not None:
        yield Sample(catalog.SIGNING_KEY_ACTIVE, since.timestamp())
        if settings.signing_key_lifetime:
            due = since + timedelta(days=settings.signing_key_lifetime)
            yield Sample(catalog.SIGNING_KEY_DUE, due.timestamp())
    for issuer in judging.tokens.issuers:
        alias, age = issuer.rules.alias, issuer.keys.age()
        yield Sample(catalog.ISSUER_KEYS_AGE, math.inf if age is None else age, (alias,))
        yield Sample(catalog.ISSUER_FETCHES, issuer.keys.fetched.count, (alias, "ok"))
        yield Sample(catalog.ISSUER_FETCHES, issuer.keys.failed.count, (alias, "failed"))
