"""`/metrics` of a server: what calls, verdicts and the database leave in it; who may read it."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from authsvc import app
from authsvc.composition.metrics import Meter
from authsvc.domain.tallies import Tally
from authsvc.metrics.catalog import ALL, WORKER
from authsvc.metrics.place import ALONE
from authsvc.rpc.health import Health
from authsvc.rpc.shedding import Shedding
from authsvc.usecases.audit_denials import AuditDenials
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import freshness_pb2
from tests.conftest import Service, serving, settings_for
from tests.integration.support import Stubs, bearer, refused, stubs_of, until
from tests.integration.support_http import FREE_ADDRESS, JWKS_PATH, fetch
from tests.integration.support_proxy import proxied
from tests.integration.support_sessions import a_person, login_of, refresh_of

UNKNOWN = "orch_" + "0" * 40
VALIDATE = "orchestrator.auth.v1.AuthService/ValidateCredential"
# There is no shared store, no other issuer and no TLS; and nothing failed at the database.
ABSENT_HERE = {
    *("authsvc_rate_limit_store_away", "authsvc_rate_limit_store_errors_total"),
    *("authsvc_issuer_keys_age_seconds", "authsvc_issuer_fetches_total"),
    *("authsvc_tls_certificate_expiry_timestamp_seconds", "authsvc_database_errors_total"),
}
LOG_IN = "orchestrator.auth.v1.SessionService/CreateSession"


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, object]:
    return {"http_address": FREE_ADDRESS, "usage_flush_interval": 0.1}


async def values(service: Service) -> dict[str, float]:
    """Scrape, and return the values by name and labels, in the order of the labels' names.

    That of the worker is left out.
    """
    answer = await fetch(service.http_address, "/metrics")
    assert answer.status == 200
    return {
        " ".join((one.name, *(value for name, value in one.labels.items() if name != WORKER))): (
            one.value
        )
        for family in text_string_to_metric_families(answer.body.decode())
        for one in family.samples
    }


class Grown:
    """How much numbers have grown since."""

    def __init__(self, service: Service, before: dict[str, float]) -> None:
        self._service = service
        self._before = before

    async def by(self, *names: str) -> list[float]:
        after = await values(self._service)
        return [after.get(name, 0) - self._before.get(name, 0) for name in names]


async def grown(service: Service) -> Grown:
    return Grown(service, await values(service))


async def validate(stubs: Stubs, service: Service, credential: str, *scopes: str) -> None:
    request = pb.ValidateCredentialRequest(credential=credential, required_scopes=scopes)
    await stubs.auth.ValidateCredential(request, metadata=bearer(service.admin_key))


async def test_calls_and_verdicts_are_counted(shared_service: Service, shared_stubs: Stubs) -> None:
    key = await shared_service.create_key("sessions:read")
    since = await grown(shared_service)

    await validate(shared_stubs, shared_service, key)
    await validate(shared_stubs, shared_service, key)
    await validate(shared_stubs, shared_service, key, "sessions:write")
    await validate(shared_stubs, shared_service, UNKNOWN)
    await validate(shared_stubs, shared_service, "")
    await validate(shared_stubs, shared_service, "a.b.c")

    assert await since.by(
        "authsvc_verdicts_total key OK",
        "authsvc_verdicts_total key INSUFFICIENT_SCOPE",
        "authsvc_verdicts_total key KEY_NOT_FOUND",
        "authsvc_verdicts_total none MISSING_CREDENTIAL",
        "authsvc_verdicts_total token TOKEN_INVALID",
    ) == [2, 1, 1, 1, 1]
    assert await since.by(
        f"authsvc_rpc_requests_total OK {VALIDATE}",
        f"authsvc_rpc_duration_seconds_count {VALIDATE}",
    ) == [6, 6]


@pytest.mark.parametrize("asks_anew", [False, True])
async def test_each_entry_of_a_batch_is_a_verdict(
    shared_service: Service, shared_stubs: Stubs, *, asks_anew: bool
) -> None:
    key = await shared_service.create_key()
    entries = [
        pb.ValidateCredentialRequest(credential=credential, freshness=freshness(asks_anew))
        for credential in (key, UNKNOWN, key)
    ]
    request = pb.BatchValidateCredentialsRequest(requests=entries)
    since = await grown(shared_service)

    await shared_stubs.auth.BatchValidateCredentials(
        request, metadata=bearer(shared_service.admin_key)
    )

    assert await since.by(
        "authsvc_verdicts_total key OK", "authsvc_verdicts_total key KEY_NOT_FOUND"
    ) == [2, 1]


def freshness(asks_anew: bool) -> freshness_pb2.FreshnessRequirement | None:  # noqa: FBT001 - a parameter of the test
    return freshness_pb2.FreshnessRequirement(authoritative=True) if asks_anew else None


async def test_memory_tells_how_it_serves(shared_service: Service, shared_stubs: Stubs) -> None:
    key = await shared_service.create_key()
    await validate(shared_stubs, shared_service, "orch_" + "1" * 40)
    since = await grown(shared_service)

    await validate(shared_stubs, shared_service, key)
    await validate(shared_stubs, shared_service, key)

    hits, misses, entries = await since.by(
        "authsvc_cache_lookups_total keys hit",
        "authsvc_cache_lookups_total keys miss",
        "authsvc_cache_entries keys",
    )
    # The caller's own key is looked up too.
    assert (hits, misses, entries) == (3, 1, 1)


async def test_log_ins_and_refreshes_are_told_apart(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service)
    since = await grown(shared_service)

    session = await shared_stubs.sessions.CreateSession(login_of(person))
    await refused(shared_stubs.sessions.CreateSession(login_of(person, "wrong")))
    refresh = refresh_of(session.refresh_token)
    await shared_stubs.sessions.RefreshSession(refresh)
    await shared_stubs.sessions.RefreshSession(refresh)

    assert await since.by(
        f"authsvc_rpc_requests_total OK {LOG_IN}",
        f"authsvc_rpc_refusals_total {LOG_IN} LOGIN_REFUSED",
        "authsvc_refresh_repeats_total",
    ) == [1, 1, 1]


async def test_what_is_used_is_written(shared_service: Service, shared_stubs: Stubs) -> None:
    since = await grown(shared_service)

    await validate(shared_stubs, shared_service, await shared_service.create_key())

    async def is_written() -> bool:
        now = await values(shared_service)
        (batches,) = await since.by("authsvc_usage_batches_total")
        return batches >= 1 and now["authsvc_usage_lag_seconds"] == 0

    await until(is_written)
    assert (await values(shared_service))["authsvc_usage_buffered_entries"] == 0


async def test_a_page_is_complete_and_bounded(shared_service: Service, shared_stubs: Stubs) -> None:
    await validate(shared_stubs, shared_service, shared_service.admin_key)
    await refused(shared_stubs.sessions.RefreshSession(refresh_of("")))
    text = (await fetch(shared_service.http_address, "/metrics")).body.decode()
    labels = {metric.name: {*metric.labels, WORKER} for metric in ALL}

    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in {"counter", "gauge", "histogram"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels[name]
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert told == {metric.name for metric in ALL} - ABSENT_HERE
    # Nothing on it names anybody.
    assert not re.search(r"orch_|(key|acct|user|sess)_[0-9a-z]{26}|127\.0\.0\.1|@", text)


async def test_no_other_page_may_read_it(shared_service: Service) -> None:
    headers = {"Origin": "https://dashboard.example"}
    metrics = await fetch(shared_service.http_address, "/metrics", headers=headers)
    keys = await fetch(shared_service.http_address, JWKS_PATH, headers=headers)

    assert "access-control-allow-origin" not in metrics.headers
    assert metrics.headers["cache-control"] == "no-store"
    assert keys.headers["access-control-allow-origin"] == "*"


async def test_a_scraper_may_have_openmetrics(shared_service: Service) -> None:
    headers = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    answer = await fetch(shared_service.http_address, "/metrics", headers=headers)

    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith(b"# EOF\n")


@pytest.mark.parametrize(("exposed", "status"), [(False, 403), (True, 200)])
async def test_an_address_that_may_be_public_has_none_unless_told(
    database_url: str, *, exposed: bool, status: int
) -> None:
    settings = settings_for(database_url, http_address="0.0.0.0:0", expose_metrics=exposed)
    async with serving(settings) as service:
        port = service.http_address.rpartition(":")[2]
        answer = await fetch(f"127.0.0.1:{port}", "/metrics")

        assert answer.status == status
        assert (b"AUTHSVC_EXPOSE_METRICS=true" in answer.body) != exposed


async def test_a_database_that_is_away_shows(database_url: str) -> None:
    async with (
        proxied(database_url) as proxy,
        serving(settings_for(proxy.url, http_address=FREE_ADDRESS, max_staleness=1)) as service,
        stubs_of(service.address) as stubs,
    ):

        async def is_followed() -> bool:
            return (await values(service))["authsvc_follower_connected"] == 1

        await until(is_followed)
        before = await values(service)
        proxy.refuse()
        await refused(validate(stubs, service, UNKNOWN))

        async def is_stale() -> bool:
            now = await values(service)
            return now["authsvc_freshness_age_seconds"] > now["authsvc_freshness_limit_seconds"]

        await until(is_stale)

        async def is_told() -> bool:
            now = await values(service)
            return now["authsvc_database_up"] == now["authsvc_ready"] == 0

        await until(is_told)
        now = await values(service)
        assert (before["authsvc_database_up"], before["authsvc_ready"]) == (1, 1)
        assert (before["authsvc_follower_connected"], now["authsvc_follower_connected"]) == (1, 0)
        assert any(name.startswith("authsvc_database_errors_total") for name in now)


async def test_limits_and_certificates_are_told_where_there_are_any(parts: app.Parts) -> None:
    async def probe() -> None: ...

    bound = Shedding(limit=10, jitter=lambda: 0.5)
    bound.in_flight, bound.shed = 3, 7
    meter = Meter(
        parts,
        health=Health(probe=probe, service_names=[]),
        audit_denials=AuditDenials(store=parts.audit_log, monotonic=time.monotonic),
        refresh_repeats=Tally(),
        shedding=bound,
        expiry_times=lambda: {"server": datetime(2026, 1, 2, tzinfo=UTC)},
        place=ALONE,
    )

    lines = (await meter.page("")).body.decode().splitlines()

    assert 'authsvc_rpc_in_flight{worker="0"} 3.0' in lines
    assert 'authsvc_rpc_shed_total{worker="0"} 7.0' in lines
    expiry = 'authsvc_tls_certificate_expiry_timestamp_seconds{certificate="server",worker="0"}'
    (told,) = [line for line in lines if line.startswith(expiry)]
    assert float(told.split()[1]) == datetime(2026, 1, 2, tzinfo=UTC).timestamp()
