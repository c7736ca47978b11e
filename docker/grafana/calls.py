"""The rows on what callers notice: is it up, how fast, what verdicts, how fresh."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models import units

from docker.grafana.panels import Row, above, below, graph, number, took

_DAY: Final = 86400
_DURATION: Final = "authsvc_rpc_duration_seconds"
# Streams end with their server and go on at another; their length is their whole life.
_CALLS: Final = 'method!~".+/Watch.+"'
_FAILED: Final = f'code=~"DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|UNKNOWN",{_CALLS}'
_VALIDATE: Final = 'method="orchestrator.auth.v1.AuthService/ValidateCredential"'
# Some alerts are of no one replica, or of no job.
_FIRING: Final = (
    'count(ALERTS{alertname=~"Authsvc.+",alertstate="firing",job=~"$job|"}) or vector(0)'
)
_OTHERS: Final = 'method!~".+/(ValidateCredential|Watch.+)"'
_FAILED_SHARE: Final = (
    f"(sum(rate(authsvc_rpc_requests_total{{{_FAILED}}}[R])) or vector(0))"
    f" / sum(rate(authsvc_rpc_requests_total{{{_CALLS}}}[R]))"
)


def _share(counter: str, part: str, by: str) -> str:
    """Return which share of what is counted is of the part with those labels."""
    some = f"sum by ({by}) (rate({counter}{{{part}}}[R]))"
    return f"{some} / sum by ({by}) (rate({counter}[R]))"


_UP: Final = Row(
    "Is it up?",
    (
        number(
            "Replicas ready",
            "To which calls may be sent, as /readyz and gRPC health say. A replica is ready when "
            "all its workers are.",
            units.Short,
            ("sum(min by (job, instance) (authsvc_ready))", "ready"),
            levels=below(good=1),
        ),
        number(
            "Replicas not ready",
            "Known to Prometheus, and silent or not ready. /readyz of the replica says why.",
            units.Short,
            ("count(up == 0) or vector(0)", "silent"),
            ("count(min by (job, instance) (authsvc_ready) == 0) or vector(0)", "not ready"),
            levels=above(bad=1),
        ),
        number(
            "Database answers",
            "Whether the last probe, one a second, was answered; at the worker that fares worst.",
            units.Short,
            ("min(authsvc_database_up)", "database"),
            levels=below(good=1),
            words={"1": "yes", "0": "no"},
        ),
        number(
            "Calls failed",
            "The share that the service could not answer. The budget is one in a thousand; red is "
            "the rate that pages.",
            units.PercentUnit,
            (_FAILED_SHARE, "failed"),
            levels=above(warn=0.001, bad=0.0144),
        ),
        number(
            "Alerts firing",
            "Of docker/prometheus/alerts.yml. docs/alerts.md says what each means.",
            units.Short,
            (_FIRING, "firing"),
            levels=above(bad=1),
        ),
        number(
            "Certificate expires in",
            "The first one that does: the server's, or the authority's of client certificates. "
            "Empty without TLS.",
            units.Seconds,
            ("min(authsvc_tls_certificate_expiry_timestamp_seconds) - time()", "expires in"),
            levels=below(fair=2 * _DAY, good=14 * _DAY),
        ),
        graph(
            "Calls",
            "That ended, by status code. A denied credential is OK: the denial is the answer.",
            units.OpsPerSecond,
            ("sum by (code) (rate(authsvc_rpc_requests_total[R]))", "{{code}}"),
        ),
        graph(
            "Failures",
            "UNAVAILABLE is mostly the database. INTERNAL is in the log with its cause.",
            units.OpsPerSecond,
            (
                f"sum by (method, code) (rate(authsvc_rpc_requests_total{{{_FAILED}}}[R]))",
                "{{code}} {{method}}",
            ),
        ),
        graph(
            "Calls refused",
            "Errors by reason: what the caller may not, or did wrong. docs/errors.md has them all.",
            units.OpsPerSecond,
            ("sum by (reason) (rate(authsvc_rpc_refusals_total[R]))", "{{reason}}"),
        ),
    ),
)

_FAST: Final = Row(
    "How fast?",
    (
        graph(
            "Validations",
            "How long ValidateCredential takes in the service, without the network. From memory it "
            "is less than a millisecond. Red is where an alert fires, for the 99 %.",
            units.Seconds,
            (took(0.5, _DURATION, of=_VALIDATE), "50 %"),
            (took(0.99, _DURATION, of=_VALIDATE), "99 %"),
            (took(0.999, _DURATION, of=_VALIDATE), "99.9 %"),
            levels=above(warn=0.01, bad=0.1),
        ),
        graph(
            "Other methods, 99 %",
            "Changes wait for the database; log-ins for a password hash, which is slow on purpose.",
            units.Seconds,
            (took(0.99, _DURATION, "method", of=_OTHERS), "{{method}}"),
        ),
        graph(
            "Calls under way",
            "At once, in each replica; without validations, which seldom wait. Many mean that they "
            "wait for something, mostly the database.",
            units.Short,
            ("sum by (instance) (authsvc_rpc_in_flight)", "{{instance}}"),
        ),
    ),
)

_VERDICTS: Final = Row(
    "What verdicts?",
    (
        graph(
            "Verdicts",
            "Credentials judged, by reason: OK, or why not. Each entry of a batch is one.",
            units.OpsPerSecond,
            ("sum by (reason) (rate(authsvc_verdicts_total[R]))", "{{reason}}"),
        ),
        graph(
            "Denied",
            "The share of credentials that are denied. A step up follows a deployment with a wrong "
            "key, or a revocation.",
            units.PercentUnit,
            (_share("authsvc_verdicts_total", 'reason!="OK"', by="kind"), "{{kind}}"),
        ),
        graph(
            "Unknown keys",
            "Keys that nobody has: a client with an old key, or somebody who guesses. Who guesses "
            "too much is held back by client address.",
            units.OpsPerSecond,
            ('sum(rate(authsvc_verdicts_total{reason="KEY_NOT_FOUND"}[R]))', "unknown"),
            ("sum(rate(authsvc_guesses_refused_total[R]))", "held back"),
            levels=above(warn=1),
        ),
    ),
)

_FRESH: Final = Row(
    "How fresh?",
    (
        graph(
            "Age of what memory knows",
            "How long ago the change log was read to its end. Beyond AUTHSVC_MAX_STALENESS (the "
            "limit) memory answers no more, but under serve-stale.",
            units.Seconds,
            ("max by (instance) (authsvc_freshness_age_seconds)", "{{instance}}"),
            ("min(authsvc_freshness_limit_seconds)", "limit"),
        ),
        graph(
            "Changes",
            "Read from the change log. Each replica reads them all.",
            units.OpsPerSecond,
            ("sum by (instance) (rate(authsvc_follower_changes_total[R]))", "{{instance}}"),
        ),
        graph(
            "Following lost",
            "Workers that do not follow; connections taken anew; and times that all memory was "
            "dropped, for changes may have been missed.",
            units.Short,
            ("count(authsvc_follower_connected == 0) or vector(0)", "not following"),
            ("sum(increase(authsvc_follower_connections_total[R]))", "connected anew"),
            ("sum(increase(authsvc_follower_gaps_total[R]))", "memory dropped"),
            levels=above(bad=1),
        ),
        graph(
            "Found in memory",
            "The share of look-ups that asked no database: records in memory, and names known to "
            "have none.",
            units.PercentUnit,
            (_share("authsvc_cache_lookups_total", 'result!="miss"', by="cache"), "{{cache}}"),
        ),
        graph(
            "Records in memory",
            "Of the fullest worker. Each has its own.",
            units.Short,
            ("max by (cache) (authsvc_cache_entries)", "{{cache}}"),
            ("max by (cache) (authsvc_cache_absent_entries)", "{{cache}}, absent"),
        ),
        graph(
            "Read and dropped",
            "Records being read from the database, and records dropped from memory for lack of "
            "room: raise AUTHSVC_CACHE_RECORDS if that goes on.",
            units.Short,
            ("sum by (cache) (authsvc_cache_reads_in_flight)", "{{cache}} being read"),
            (
                "sum by (cache) (rate(authsvc_cache_evictions_total[R]))",
                "{{cache}} dropped a second",
            ),
        ),
    ),
)

CALLS: Final = (_UP, _FAST, _VERDICTS, _FRESH)
