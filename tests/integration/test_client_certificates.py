"""Callers that prove themselves by a client certificate, over real handshakes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import grpc
import pytest
import pytest_asyncio
import structlog
import trustme

from authsvc import app
from authsvc.config import InvalidSettings
from orchestrator.auth import ANONYMOUS, AsyncAuthClient
from orchestrator.auth.v1 import audit_service_pb2 as audit_pb
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import jwks_pb2, usage_pb2
from orchestrator.auth.v1 import key_management_pb2 as key_pb
from tests.conftest import Service, a_database, serving, settings_for
from tests.integration.support import Stubs, bearer, fresh_name, refusal_of, refused, until
from tests.integration.test_callers import HIDDEN, METHODS, OK, PERMISSIONS, REQUESTS, call
from tests.support_certificates import (
    GATEWAY,
    ClientPair,
    issue_client,
    with_client_certificates,
)

JOB = "spiffe://example.org/ns/jobs/nightly/import"
OPERATOR = "operator.example.org"


@dataclass(frozen=True)
class Mutual:
    """A service with a port for certificates, and who signs them."""

    service: Service
    plain: Service
    """Another server on the same database, in plaintext."""
    authority: trustme.CA
    client_authority: trustme.CA

    @asynccontextmanager
    async def stubs(self, pair: ClientPair | None, address: str = "") -> AsyncIterator[Stubs]:
        """Open a new connection with a certificate, or without one."""
        credentials = (
            pair.credentials(self.authority)
            if pair
            else grpc.ssl_channel_credentials(self.authority.cert_pem.bytes())
        )
        target = address or self.service.mtls_address
        # Channels of one process share connections otherwise.
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(target, credentials, options=options) as channel:
            yield Stubs.on(channel)

    def issue(self, *uris: str, dns: tuple[str, ...] = ()) -> ClientPair:
        return issue_client(self.client_authority, uris=uris, dns_names=dns)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mutual(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mutual]:
    authority, client_authority = trustme.CA(), trustme.CA()
    async with a_database(postgres_url, template_database) as url:
        settings = with_client_certificates(
            settings_for(url), tmp_path_factory.mktemp("tls"), authority, client_authority
        )
        async with serving(settings) as served, serving(settings_for(url)) as plain:
            yield Mutual(served, plain, authority, client_authority)


CALLERS: Final[dict[str, tuple[list[str], list[str]]]] = {
    "authsvc:validate": ([GATEWAY], []),
    "authsvc:keys": ([JOB], []),
    "admin": ([], [OPERATOR]),
}
"""The URIs and the DNS names of each."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def channels(mutual: Mutual) -> AsyncIterator[dict[str, grpc.aio.Channel]]:
    """A connection for each kind of caller."""
    async with AsyncExitStack() as opened:
        yield {
            caller: (
                await opened.enter_async_context(
                    mutual.stubs(
                        issue_client(mutual.client_authority, uris=uris, dns_names=dns_names)
                    )
                )
            ).channel
            for caller, (uris, dns_names) in CALLERS.items()
        }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_certificate_may_do_what_a_system_key_of_its_scopes_may(
    mutual: Mutual, channels: dict[str, grpc.aio.Channel], caller: str, method: str
) -> None:
    request = await REQUESTS[method](mutual.plain)

    try:
        await call(channels[caller], method, request, ())
        outcome = OK
    except grpc.aio.AioRpcError as error:
        refusal = refusal_of(error)
        outcome = (
            HIDDEN
            if refusal.code is grpc.StatusCode.NOT_FOUND
            else refusal.info.metadata["required_scope"]
        )

    assert outcome == PERMISSIONS[caller][method]


async def test_a_certificate_that_is_not_mapped_is_refused_and_named_in_the_log(
    mutual: Mutual,
) -> None:
    # The common name is no name, and a path above the mapped one is another.
    stranger = issue_client(
        mutual.client_authority,
        uris=["spiffe://example.org/ns/jobs"],
        dns_names=["other.example.org"],
        common_name=OPERATOR,
    )
    question = pb.ValidateCredentialRequest(credential="x")

    async with mutual.stubs(stranger) as stubs:
        with structlog.testing.capture_logs() as logs:
            refusal = await refused(stubs.auth.ValidateCredential(question))
            # A refusal may be known before it is logged; by the next answer it has been.
            open_to_all = await stubs.sessions.GetJwks(jwks_pb2.GetJwksRequest())

    assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
    assert refusal.reason == "CALLER_CERTIFICATE_NOT_MAPPED"
    assert "spiffe:" not in refusal.everything
    (line,) = (line for line in logs if line["event"] == "call failed")
    assert line["detail"] == "no rule for spiffe://example.org/ns/jobs, other.example.org"
    assert open_to_all.keys


async def test_the_credential_that_a_call_carries_counts_and_not_the_certificate(
    mutual: Mutual,
) -> None:
    query = key_pb.ListKeysRequest(account_id=mutual.service.account.account_id)
    narrow, unknown = await mutual.service.create_key("sessions:*"), "orch_" + "0" * 40

    async with mutual.stubs(mutual.issue(dns=(OPERATOR,))) as operator:
        await operator.auth.ListKeys(query)
        less = await refused(operator.auth.ListKeys(query, metadata=bearer(narrow)))
        bad = await refused(operator.auth.ListKeys(query, metadata=bearer(unknown)))
        empty = await refused(operator.auth.ListKeys(query, metadata=(("authorization", ""),)))
    async with mutual.stubs(mutual.issue("spiffe://example.org/nobody")) as stranger:
        await stranger.auth.ListKeys(query, metadata=bearer(mutual.service.admin_key))

    assert [less.reason, bad.reason, empty.reason] == [
        "CALLER_NOT_PERMITTED",
        "CALLER_CREDENTIAL_INVALID",
        "CALLER_CREDENTIAL_MISSING",
    ]


async def test_only_certificates_of_the_authority_that_are_still_good_get_a_connection(
    mutual: Mutual,
) -> None:
    expired = issue_client(
        mutual.client_authority,
        dns_names=[OPERATOR],
        not_after=datetime.now(UTC) - timedelta(minutes=1),
    )
    foreign = issue_client(trustme.CA(), dns_names=[OPERATOR])
    # The authority of the server itself signs no clients.
    of_the_server = issue_client(mutual.authority, dns_names=[OPERATOR])
    request = jwks_pb2.GetJwksRequest()

    for pair in (None, expired, foreign, of_the_server):
        async with mutual.stubs(pair) as stubs:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stubs.sessions.GetJwks(request)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_main_port_asks_for_no_certificate_and_looks_at_none(mutual: Mutual) -> None:
    query = key_pb.ListKeysRequest(account_id=mutual.service.account.account_id)

    async with mutual.stubs(None, mutual.service.address) as stubs:
        await stubs.auth.ListKeys(query, metadata=bearer(mutual.service.admin_key))
    async with mutual.stubs(mutual.issue(dns=(OPERATOR,)), mutual.service.address) as stubs:
        refusal = await refused(stubs.auth.ListKeys(query))

    assert refusal.reason == "CALLER_CREDENTIAL_MISSING"


async def test_what_a_certificate_does_is_in_the_audit_log_under_its_name(mutual: Mutual) -> None:
    account_id = mutual.service.account.account_id
    create = pb.CreateKeyRequest(
        account_id=account_id, name=fresh_name(), request_id=str(uuid.uuid4())
    )

    name = f"{JOB}/audited"
    async with mutual.stubs(mutual.issue(name)) as job:
        created = await job.auth.CreateKey(create)
        again = await job.auth.CreateKey(create)
        unseen = pb.CreateKeyRequest(account_id=mutual.service.system.account_id, name=fresh_name())
        await refused(job.auth.CreateKey(unseen))
    async with mutual.stubs(mutual.issue("spiffe://example.org/ns/jobs/other")) as other:
        # Another job's request ids are its own: the name is taken.
        taken = await refused(other.auth.CreateKey(create))

    assert again.secret == created.secret
    assert taken.reason == "KEY_NAME_TAKEN"
    async with mutual.stubs(mutual.issue(dns=(OPERATOR,))) as operator:
        found = await operator.audit.ListAuditEvents(audit_pb.ListAuditEventsRequest(actor_id=name))
    assert {event.actor.id for event in found.events} == {name}
    assert {event.actor.account_id for event in found.events} == {""}
    assert [event.outcome for event in reversed(found.events)] == [
        "OK",
        "OK",
        "ERROR_REASON_ACCOUNT_NOT_FOUND",
    ]


async def test_usage_tells_which_certificate_asked_about_a_key(mutual: Mutual) -> None:
    secret = await mutual.service.create_key()
    question = pb.ValidateCredentialRequest(credential=secret)

    async with mutual.stubs(mutual.issue(GATEWAY)) as gateway:
        answer = await gateway.auth.ValidateCredential(question)
    await mutual.service.parts.usage.flush(app.time_limit())
    async with mutual.stubs(mutual.issue(dns=(OPERATOR,))) as operator:
        usage = await operator.auth.GetKeyUsage(
            usage_pb2.GetKeyUsageRequest(key_id=answer.principal.key_id)
        )

    (caller,) = usage.callers
    assert (caller.key_id, caller.certificate_name, caller.call_count) == ("", GATEWAY, 1)


async def test_a_stream_goes_on_by_its_certificate(mutual: Mutual) -> None:
    secret, is_revoked = await mutual.service.create_key(), False

    async with mutual.stubs(mutual.issue(GATEWAY)) as gateway, asyncio.timeout(30):
        stream = gateway.auth.WatchRevocations(pb.WatchRevocationsRequest())
        async for told in stream:
            if told.HasField("key_revoked"):
                break
            if not is_revoked:
                is_revoked = True
                async with mutual.stubs(mutual.issue(dns=(OPERATOR,))) as operator:
                    await operator.auth.RevokeKey(pb.RevokeKeyRequest(secret=secret))
        stream.cancel()

    assert told.key_revoked.key_id


async def test_a_client_needs_no_key_where_it_has_a_certificate(
    mutual: Mutual, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTHSVC_API_KEY", raising=False)
    pair = mutual.issue(GATEWAY)

    for api_key in (None, ANONYMOUS):
        async with AsyncAuthClient(
            mutual.service.mtls_address,
            api_key=api_key,
            root_certificates=mutual.authority.cert_pem.bytes(),
            client_certificate=pair.certificate,
            client_key=pair.key,
            timeout=10.0,
        ) as client:
            assert (await client.validate(mutual.service.admin_key)).key_id


async def test_a_replaced_authority_decides_on_the_next_handshake(
    postgres_url: str, template_database: str, tmp_path: Path
) -> None:
    authority, old, new = trustme.CA(), trustme.CA(), trustme.CA()
    request = pb.ValidateCredentialRequest(credential="x")
    pairs = [issue_client(signer, uris=[GATEWAY]) for signer in (old, new)]
    async with a_database(postgres_url, template_database) as url:
        settings = with_client_certificates(settings_for(url), tmp_path, authority, old)
        assert settings.tls_client_ca_file is not None
        async with serving(settings) as served:
            mutual = Mutual(served, served, authority, old)

            async def is_let_in(pair: ClientPair) -> bool:
                async with mutual.stubs(pair) as stubs:
                    try:
                        await stubs.auth.ValidateCredential(request)
                    except grpc.aio.AioRpcError as error:
                        if error.code() is grpc.StatusCode.UNAVAILABLE:
                            return False
                        raise
                return True

            assert [await is_let_in(pair) for pair in pairs] == [True, False]
            async with mutual.stubs(pairs[0]) as running:
                await running.auth.ValidateCredential(request)
                settings.tls_client_ca_file.write_bytes(new.cert_pem.bytes())
                await until(lambda: is_let_in(pairs[1]))

                assert not await is_let_in(pairs[0])
                # The connection from before goes on.
                await running.auth.ValidateCredential(request)


@pytest.mark.parametrize(
    ("setting", "content"),
    [("tls_client_ca_file", "nonsense"), ("certificate_callers_file", "caller = 1")],
)
async def test_files_that_are_no_good_are_named(
    mutual: Mutual, tmp_path: Path, setting: str, content: str
) -> None:
    file = tmp_path / "file"
    file.write_text(content)
    settings = mutual.service.parts.settings.model_copy(update={setting: file})

    async with app.open_parts(settings) as parts:
        with pytest.raises(InvalidSettings, match=f"AUTHSVC_{setting.upper()}: "):
            await app.serve(parts, asyncio.Event())
