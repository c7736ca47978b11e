"""Every metric there is: its name, type, labels and meaning. docs/metrics.md has the same table.

Names and units follow Prometheus' conventions. The values of every label are few, whoever calls:
no ids, no addresses, nothing that a caller can choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

WORKER: Final = "worker"
"""The label of every sample: the number of the worker process that it is of."""


class Kind(StrEnum):
    """The types of metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, of which each worker has a sample for each combination of labels."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    """Without that of the worker."""


_ALL: Final[list[Metric]] = []


def _declare(kind: Kind, name: str, text: str, *labels: str) -> Metric:
    metric = Metric(f"authsvc_{name}", kind, text, labels)
    _ALL.append(metric)
    return metric


_counter: Final = partial(_declare, Kind.COUNTER)
_gauge: Final = partial(_declare, Kind.GAUGE)
_histogram: Final = partial(_declare, Kind.HISTOGRAM)

# Is it up?
BUILD_INFO: Final = _gauge(
    "build_info", "Always 1; its labels tell what runs.", "version", "python", "grpc"
)
WORKER_UP: Final = _gauge(
    "worker_up", "1 if the worker told its numbers for this scrape, 0 if it did not answer."
)
WORKER_RESTARTS: Final = _counter(
    "worker_restarts_total", "How often the worker died and was started anew."
)
READY: Final = _gauge(
    "ready", "1 if calls may be sent here: what /readyz and the health of AuthService say."
)
DATABASE_UP: Final = _gauge(
    "database_up", "1 if the database answered the last probe, one a second; 0 if not."
)
CERTIFICATE_EXPIRY: Final = _gauge(
    "tls_certificate_expiry_timestamp_seconds",
    "When a certificate expires. Absent without TLS.",
    "certificate",
)

# Calls.
RPC_REQUESTS: Final = _counter(
    "rpc_requests_total", "gRPC calls that ended, by status code.", "method", "code"
)
RPC_REFUSALS: Final = _counter(
    "rpc_refusals_total",
    "gRPC calls that ended with an error, by its ErrorReason: log-ins and refreshes that failed "
    "among them.",
    "method",
    "reason",
)
RPC_DURATION: Final = _histogram(
    "rpc_duration_seconds",
    "How long gRPC calls took in the service. Of a stream, its whole life.",
    "method",
)
RPC_CORE_CALLS: Final = _counter(
    "rpc_core_calls_total",
    "gRPC calls of all services as gRPC's core counts them: started, and how they ended: succeeded "
    "or failed. Those that are started only are under way, or were refused because too many waited "
    "to be taken up; no other metric has these.",
    "event",
)
RPC_IN_FLIGHT: Final = _gauge(
    "rpc_in_flight", "gRPC calls under way, but for validations, which seldom wait."
)
RPC_SHED: Final = _counter(
    "rpc_shed_total",
    "gRPC calls refused at once as OVERLOADED; they are in rpc_requests_total too.",
)

# Verdicts.
VERDICTS: Final = _counter(
    "verdicts_total",
    "Credentials judged for callers, each entry of a batch. The reason is OK or a DenialReason; "
    "the kind is key, token, or none where it was neither.",
    "kind",
    "reason",
)
GUESSES_REFUSED: Final = _counter(
    "guesses_refused_total",
    "Credentials not looked at because their client address had too many unknown ones.",
)

# What is in memory, and how fresh it is.
CACHE_LOOKUPS: Final = _counter(
    "cache_lookups_total",
    "Records looked up: hit (in memory), absent (known not to exist) or miss (read from the "
    "database).",
    "cache",
    "result",
)
CACHE_ENTRIES: Final = _gauge("cache_entries", "Records in memory.", "cache")
CACHE_ABSENT_ENTRIES: Final = _gauge(
    "cache_absent_entries", "Names in memory that are known to have no record.", "cache"
)
CACHE_EVICTIONS: Final = _counter(
    "cache_evictions_total", "Records dropped from memory for lack of room.", "cache"
)
CACHE_READS: Final = _gauge(
    "cache_reads_in_flight", "Reads of records from the database that are under way.", "cache"
)
FRESHNESS_AGE: Final = _gauge(
    "freshness_age_seconds",
    "How long ago the change log was last read to its end, which is how old answers from memory "
    "are; +Inf before the first time.",
)
FRESHNESS_LIMIT: Final = _gauge(
    "freshness_limit_seconds", "AUTHSVC_MAX_STALENESS: past this age memory answers no more."
)
FOLLOWER_CONNECTED: Final = _gauge(
    "follower_connected", "1 while the change log is followed, 0 while there is no connection."
)
FOLLOWER_CONNECTIONS: Final = _counter(
    "follower_connections_total", "Connections taken to follow the change log: 1 if all is well."
)
FOLLOWER_CHANGES: Final = _counter("follower_changes_total", "Changes read from the change log.")
FOLLOWER_GAPS: Final = _counter(
    "follower_gaps_total", "Times all memory was dropped because changes may have been missed."
)

# The database.
POOL_CONNECTIONS: Final = _gauge(
    "database_pool_connections", "Connections of the pool, by state: busy or idle.", "state"
)
POOL_LIMIT: Final = _gauge("database_pool_limit", "The most connections that the pool may have.")
POOL_WAITING: Final = _gauge(
    "database_pool_waiting", "Pieces of work that wait for a connection of the pool."
)
DATABASE_WAIT: Final = _histogram(
    "database_wait_seconds", "How long work waited for a connection of the pool."
)
DATABASE_WORK: Final = _histogram(
    "database_work_seconds", "How long work had its connection, from taking it to giving it back."
)
DATABASE_REPEATS: Final = _counter(
    "database_repeats_total",
    "Statements and transactions that were tried once more, because a server refused them that is "
    "not the primary any more. What fails again is an error, too.",
)
DATABASE_ERRORS: Final = _counter(
    "database_errors_total",
    "Work that failed at the database: the class of the SQLSTATE (its first two characters), or "
    "deadline (no answer in time), connection (it broke), other.",
    "class",
)

# Usage and the audit log.
USAGE_LAG: Final = _gauge(
    "usage_lag_seconds", "How long ago the oldest count of usage began that is not written yet."
)
USAGE_BUFFERED: Final = _gauge("usage_buffered_entries", "Counts of usage that wait to be written.")
USAGE_FLUSHES: Final = _counter(
    "usage_flushes_total", "Attempts to write usage, by outcome: ok or failed.", "outcome"
)
USAGE_BATCHES: Final = _counter("usage_batches_total", "Batches of usage that were written.")
USAGE_DROPPED: Final = _counter(
    "usage_dropped_total", "Verdicts not counted for lack of room while the database was away."
)
AUDIT_DROPPED: Final = _counter(
    "audit_dropped_total",
    "Refused attempts not in the audit log: limit (too many of one sender) or unwritten (the "
    "database did not answer; the process's log has them).",
    "cause",
)

# Limits.
RATE_LIMIT_DECISIONS: Final = _counter(
    "rate_limit_decisions_total",
    "Requests of limited keys, by what counted them: store (for all processes) or process.",
    "counted_by",
)
RATE_LIMIT_STORE_AWAY: Final = _gauge(
    "rate_limit_store_away",
    "1 while the shared store does not answer and each process counts by itself. Absent without "
    "a store.",
)
RATE_LIMIT_STORE_ERRORS: Final = _counter(
    "rate_limit_store_errors_total", "Times the shared store gave no answer. Absent without one."
)

# Log-ins and tokens.
PASSWORDS_IN_PROGRESS: Final = _gauge(
    "password_hashes_in_progress", "Passwords that are being hashed or compared, or wait for it."
)
PASSWORDS_LIMIT: Final = _gauge(
    "password_hashes_limit", "The most of them; more are refused as TOO_MANY_LOGINS."
)
REFRESH_REPEATS: Final = _counter(
    "refresh_repeats_total",
    "Refresh tokens used again soon enough to get the same answer. The calls are OK.",
)
SIGNING_KEY_ACTIVE: Final = _gauge(
    "signing_key_activation_timestamp_seconds", "When the key began to sign that signs now."
)
SIGNING_KEY_DUE: Final = _gauge(
    "signing_key_due_timestamp_seconds",
    "When the next key is to take over. Absent where keys are not rotated by a schedule.",
)
ISSUER_KEYS_AGE: Final = _gauge(
    "issuer_keys_age_seconds",
    "How long ago the keys of another issuer were fetched; +Inf if they never were.",
    "issuer",
)
ISSUER_FETCHES: Final = _counter(
    "issuer_fetches_total",
    "Fetches of another issuer's keys, by outcome: ok or failed.",
    "issuer",
    "outcome",
)

# Streams and the process.
WATCH_STREAMS: Final = _gauge("watch_streams", "WatchRevocations streams that are open.")
WATCH_RESETS: Final = _counter(
    "watch_resets_total", "Times a stream was told to start again: it may have missed events."
)
EVENT_LOOP_LAG: Final = _histogram(
    "event_loop_lag_seconds", "How late the event loop was with a timer, asked twice a second."
)

PROCESS: Final = (
    Metric("process_cpu_seconds_total", Kind.COUNTER, "CPU time, user and system."),
    Metric("process_resident_memory_bytes", Kind.GAUGE, "Memory in use (RSS)."),
    Metric("process_virtual_memory_bytes", Kind.GAUGE, "Virtual memory."),
    Metric("process_start_time_seconds", Kind.GAUGE, "When the process started, since the epoch."),
    Metric("process_open_fds", Kind.GAUGE, "File descriptors in use."),
    Metric("process_max_fds", Kind.GAUGE, "The most file descriptors."),
)
"""What Prometheus' clients tell of every process. Linux only."""

ALL: Final = (*_ALL, *PROCESS)
"""All of them, in the order in which they are told."""
