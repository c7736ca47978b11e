"""ExplainCredential on the wire: the verdict, what was found, and nothing of the credential."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from authsvc import app
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import denial_pb2, explanation_pb2
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, mint


async def explain(
    stubs: Stubs, service: Service, value: str, *scopes: str
) -> pb.ExplainCredentialResponse:
    request = pb.ExplainCredentialRequest(credential=value, required_scopes=scopes)
    return await stubs.auth.ExplainCredential(request, metadata=bearer(service.admin_key))


async def test_a_good_key_is_explained_as_good(service: Service, stubs: Stubs) -> None:
    response = await explain(stubs, service, await service.create_key())

    assert response.WhichOneof("outcome") == "principal"
    assert not response.findings


@pytest.mark.parametrize("mistake", ["{}\n", "Bearer Bearer {}", '"{}"', "{},"])
async def test_a_key_that_is_good_when_mended_is_said_to_be(
    service: Service, stubs: Stubs, mistake: str
) -> None:
    response = await explain(stubs, service, mistake.format(await service.create_key()))

    assert response.denial.reason == denial_pb2.DENIAL_REASON_INVALID_KEY_FORMAT
    codes = [finding.code for finding in response.findings]
    assert codes[-1] == explanation_pb2.FINDING_CODE_MENDED_IS_GOOD


async def test_an_upper_cased_key_is_recognised(service: Service, stubs: Stubs) -> None:
    key = await service.create_key()

    response = await explain(stubs, service, "orch_" + key[5:].upper())

    codes = [finding.code for finding in response.findings]
    assert codes[-1] == explanation_pb2.FINDING_CODE_LOWER_CASE_IS_KNOWN


async def test_a_known_key_is_shown_with_all_that_is_wrong(service: Service, stubs: Stubs) -> None:
    key = await service.create_key("a:read")
    revoke = pb.RevokeKeyRequest(secret=key, note="left in a log")
    revoked = await stubs.auth.RevokeKey(revoke, metadata=bearer(service.admin_key))

    response = await explain(stubs, service, key, "a:read", "b:read")

    assert [finding.code for finding in response.findings] == [
        explanation_pb2.FINDING_CODE_KEY_REVOKED,
        explanation_pb2.FINDING_CODE_SCOPES_MISSING,
    ]
    assert response.key == revoked.key
    assert response.missing_scopes == ["b:read"]


async def test_a_key_of_a_disabled_account_is_said_to_be(service: Service, stubs: Stubs) -> None:
    account = await service.create_account()
    key = await service.create_key(account=account)
    await service.execute(
        f"UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = '{account.account_id}'"
    )

    response = await explain(stubs, service, key)

    codes = [finding.code for finding in response.findings]
    assert codes == [explanation_pb2.FINDING_CODE_ACCOUNT_DISABLED]
    assert response.key.account_id == account.account_id


async def test_an_unknown_key_has_no_details(service: Service, stubs: Stubs) -> None:
    response = await explain(stubs, service, "orch_" + secrets.token_hex(20))

    codes = [finding.code for finding in response.findings]
    assert codes == [explanation_pb2.FINDING_CODE_KEY_UNKNOWN]
    assert not response.HasField("key")


async def test_to_explain_a_key_is_no_use_of_it(service: Service, stubs: Stubs) -> None:
    key = await service.create_key()
    await explain(stubs, service, key)
    await service.parts.usage.flush(app.time_limit())

    response = await explain(stubs, service, key)

    assert response.HasField("key")
    assert not response.key.HasField("last_use_time")


async def test_an_expired_token_says_for_how_long(service: Service, stubs: Stubs) -> None:
    issue_time = app.utc_now() - timedelta(hours=1)
    token = await mint(service, issue_time=issue_time, scopes=["a:read"])

    response = await explain(stubs, service, token, "b:read")

    assert response.denial.reason == denial_pb2.DENIAL_REASON_TOKEN_EXPIRED
    expired, missing = response.findings
    assert expired.code == explanation_pb2.FINDING_CODE_TOKEN_EXPIRED
    assert timedelta(minutes=55) <= timedelta(seconds=expired.length) < timedelta(minutes=57)
    assert missing.code == explanation_pb2.FINDING_CODE_SCOPES_MISSING
    assert response.missing_scopes == ["b:read"]


async def test_a_token_that_was_cut_has_a_wrong_signature(service: Service, stubs: Stubs) -> None:
    response = await explain(stubs, service, (await mint(service))[:-8])

    codes = [finding.code for finding in response.findings]
    assert codes == [explanation_pb2.FINDING_CODE_TOKEN_SIGNATURE]


async def test_nothing_of_a_broken_key_is_repeated(service: Service, stubs: Stubs) -> None:
    key = await service.create_key()

    response = await explain(stubs, service, f"'{key}'\n")

    said = response.SerializeToString()
    assert not any(key[i : i + 6].encode() in said for i in range(5, 40))
