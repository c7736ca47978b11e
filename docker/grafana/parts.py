"""The rows on what is behind the calls. They are closed: one opens them to look for a cause."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models import units

from docker.grafana.panels import Row, above, graph, took

_LOG_IN: Final = 'method="orchestrator.auth.v1.SessionService/CreateSession"'
_REFRESH: Final = 'method="orchestrator.auth.v1.SessionService/RefreshSession"'
_TOO_MANY: Final = 'reason=~"TOO_MANY_LOGINS|TOO_MANY_LOOKUPS|TOO_MANY_STREAMS"'
_CORE_CALLS: Final = "authsvc_rpc_core_calls_total"


_DATABASE: Final = Row(
    "Database",
    (
        graph(
            "Connections",
            "Of the pool. When all are busy for long, work waits for one.",
            units.Short,
            ("sum by (state) (authsvc_database_pool_connections)", "{{state}}"),
            ("sum(authsvc_database_pool_limit)", "limit"),
        ),
        graph(
            "Waiting for a connection",
            "Pieces of work that have none yet, by replica. Red is where an alert fires.",
            units.Short,
            ("sum by (instance) (authsvc_database_pool_waiting)", "{{instance}}"),
            levels=above(bad=5),
        ),
        graph(
            "Time at the database, 99 %",
            "How long work waits for a connection, and how long it then has it.",
            units.Seconds,
            (took(0.99, "authsvc_database_wait_seconds", "instance"), "wait, {{instance}}"),
            (took(0.99, "authsvc_database_work_seconds", "instance"), "work, {{instance}}"),
            levels=above(warn=0.1, bad=1),
        ),
        graph(
            "Work",
            "Pieces of work that had a connection.",
            units.OpsPerSecond,
            ("sum by (instance) (rate(authsvc_database_work_seconds_count[R]))", "{{instance}}"),
        ),
        graph(
            "Errors",
            "By class of SQLSTATE: 08 connection, 23 constraint, 40 conflict, 53 resources, 57 "
            "shut down or cancelled. deadline: no answer in time. Tried once more: what a "
            "former primary refused.",
            units.OpsPerSecond,
            ("sum by (class) (rate(authsvc_database_errors_total[R]))", "{{class}}"),
            ("sum(rate(authsvc_database_repeats_total[R]))", "tried once more"),
        ),
    ),
    closed=True,
)

_LIMITS: Final = Row(
    "Limits and guesses",
    (
        graph(
            "Calls turned away",
            "Because too many wait: to be taken up (refused as CANCELLED), for the database, or "
            "for a password hash.",
            units.OpsPerSecond,
            (
                (
                    f"clamp_min(sum(rate({_CORE_CALLS}{{event='started'}}[R])) - "
                    f"sum(rate({_CORE_CALLS}{{event!='started'}}[R])), 0)"
                ),
                "not taken up",
            ),
            ("sum(rate(authsvc_rpc_shed_total[R]))", "OVERLOADED"),
            (f"sum by (reason) (rate(authsvc_rpc_refusals_total{{{_TOO_MANY}}}[R]))", "{{reason}}"),
        ),
        graph(
            "Rate limited",
            "Requests of keys that have a limit, by what counted them, and those over it.",
            units.OpsPerSecond,
            (
                "sum by (counted_by) (rate(authsvc_rate_limit_decisions_total[R]))",
                "counted by {{counted_by}}",
            ),
            ('sum(rate(authsvc_verdicts_total{reason="RATE_LIMITED"}[R]))', "refused"),
        ),
        graph(
            "Rate limit store",
            "Workers that do not reach it and count by themselves, and questions that it left "
            "without an answer. Empty without a store.",
            units.Short,
            ("sum(authsvc_rate_limit_store_away)", "workers without it"),
            ("sum(increase(authsvc_rate_limit_store_errors_total[R]))", "no answer"),
            levels=above(bad=1),
        ),
    ),
    closed=True,
)

_LOG_INS: Final = Row(
    "Log-ins and tokens",
    (
        graph(
            "Log-ins",
            "Good ones, and why others were refused.",
            units.OpsPerSecond,
            (f'sum(rate(authsvc_rpc_requests_total{{{_LOG_IN},code="OK"}}[R]))', "OK"),
            (f"sum by (reason) (rate(authsvc_rpc_refusals_total{{{_LOG_IN}}}[R]))", "{{reason}}"),
        ),
        graph(
            "Refreshes",
            "Repeated: the same answer again, for it was lost. REFRESH_TOKEN_REUSED ended a "
            "session, for its token was in two hands.",
            units.OpsPerSecond,
            (f'sum(rate(authsvc_rpc_requests_total{{{_REFRESH},code="OK"}}[R]))', "OK"),
            ("sum(rate(authsvc_refresh_repeats_total[R]))", "of these repeated"),
            (f"sum by (reason) (rate(authsvc_rpc_refusals_total{{{_REFRESH}}}[R]))", "{{reason}}"),
        ),
        graph(
            "Password hashes",
            "Being made or waited for, by the worker that has most. At the limit log-ins are "
            "refused as TOO_MANY_LOGINS.",
            units.Short,
            ("max by (instance) (authsvc_password_hashes_in_progress)", "{{instance}}"),
            ("min(authsvc_password_hashes_limit)", "limit"),
        ),
        graph(
            "Signing key",
            "How long the present key has signed, and how long until the next one does.",
            units.Seconds,
            ("time() - max(authsvc_signing_key_activation_timestamp_seconds)", "age"),
            ("min(authsvc_signing_key_due_timestamp_seconds) - time()", "until the next"),
        ),
        graph(
            "Keys of other issuers",
            "How long ago they were fetched: an hour at most, if all is well. Red is where an "
            "alert fires.",
            units.Seconds,
            ("max by (issuer) (authsvc_issuer_keys_age_seconds)", "{{issuer}}"),
            levels=above(warn=3600, bad=7200),
        ),
        graph(
            "Fetches of keys of other issuers",
            "The log says why one failed.",
            units.OpsPerSecond,
            (
                "sum by (issuer, outcome) (rate(authsvc_issuer_fetches_total[R]))",
                "{{issuer}} {{outcome}}",
            ),
        ),
    ),
    closed=True,
)

_USAGE: Final = Row(
    "Usage and audit",
    (
        graph(
            "Oldest usage not written",
            "What a crash would lose. AUTHSVC_USAGE_FLUSH_INTERVAL, when all is well; red is where "
            "an alert fires.",
            units.Seconds,
            ("max by (instance) (authsvc_usage_lag_seconds)", "{{instance}}"),
            levels=above(warn=60, bad=300),
        ),
        graph(
            "Usage written",
            "Attempts by outcome, and batches that they wrote.",
            units.OpsPerSecond,
            ("sum by (outcome) (rate(authsvc_usage_flushes_total[R]))", "{{outcome}}"),
            ("sum(rate(authsvc_usage_batches_total[R]))", "batches"),
        ),
        graph(
            "Counts waiting",
            "In memory, to be written.",
            units.Short,
            ("sum by (instance) (authsvc_usage_buffered_entries)", "{{instance}}"),
        ),
        graph(
            "Lost",
            "Verdicts not counted, and refused attempts that the audit log does not have: too many "
            "of one sender (limit), or the database did not answer (unwritten).",
            units.Short,
            ("sum(increase(authsvc_usage_dropped_total[R]))", "usage"),
            ("sum by (cause) (increase(authsvc_audit_dropped_total[R]))", "audit: {{cause}}"),
        ),
    ),
    closed=True,
)

_PROCESSES: Final = Row(
    "Processes",
    (
        graph(
            "CPU",
            "Cores in use by each worker. One uses one core at most, so that 1 is full.",
            units.Short,
            ("rate(process_cpu_seconds_total[R])", "{{instance}} {{worker}}"),
            levels=above(warn=0.8, bad=0.95),
        ),
        graph(
            "Memory",
            "Resident, of each worker.",
            units.BytesIEC,
            ("process_resident_memory_bytes", "{{instance}} {{worker}}"),
        ),
        graph(
            "Event loop late by, 90 %",
            "How long a call may wait for its turn. Red is where an alert fires.",
            units.Seconds,
            (
                took(0.9, "authsvc_event_loop_lag_seconds", "instance", "worker"),
                "{{instance}} {{worker}}",
            ),
            levels=above(warn=0.01, bad=0.1),
        ),
        graph(
            "File descriptors",
            "The share in use. Each connection takes one.",
            units.PercentUnit,
            ("max by (instance) (process_open_fds / process_max_fds)", "{{instance}}"),
            levels=above(warn=0.6, bad=0.8),
        ),
        graph(
            "Workers",
            "That told their numbers, and times that one died and was started anew.",
            units.Short,
            ("sum by (instance) (authsvc_worker_up)", "{{instance}}"),
            (
                "sum by (instance) (increase(authsvc_worker_restarts_total[R]))",
                "died, {{instance}}",
            ),
        ),
        graph(
            "Versions",
            "Workers by what they run: two kinds during an upgrade, one after it.",
            units.Short,
            (
                "count by (version, python, grpc) (authsvc_build_info)",
                "{{version}}, Python {{python}}, grpc {{grpc}}",
            ),
        ),
        graph(
            "Watch streams",
            "Open, and times that one was told to start again, for it may have missed events.",
            units.Short,
            ("sum by (instance) (authsvc_watch_streams)", "{{instance}}"),
            ("sum by (instance) (increase(authsvc_watch_resets_total[R]))", "resets, {{instance}}"),
        ),
    ),
    closed=True,
)

PARTS: Final = (_DATABASE, _LIMITS, _LOG_INS, _USAGE, _PROCESSES)
