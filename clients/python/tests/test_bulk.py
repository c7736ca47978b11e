"""Importing keys, ending all of an account, and reporting leaked ones."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2

from orchestrator.auth import (
    ANONYMOUS,
    AlreadyThere,
    ErrorReason,
    FieldViolation,
    Imported,
    ImportFailed,
    ImportMode,
    KeyToImport,
    LeakReportOutcome,
    MalformedResponse,
    RateLimit,
    ResourceExhausted,
    RevocationReason,
    Secret,
    Unavailable,
    Withheld,
)
from orchestrator.auth.v1 import (
    error_reason_pb2,
    key_import_pb2,
    key_pb2,
    key_revocation_pb2,
    rate_limit_pb2,
)

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
STAMP = Timestamp(seconds=1_700_000_000)
SECRET = "orch_" + "1a2b" + "0" * 32 + "c3d4"
DIGEST = hashlib.sha256(SECRET.encode()).digest()


def test_a_key_to_import_keeps_digest_and_hint_of_its_secret() -> None:
    key = KeyToImport.from_secret(Secret(SECRET), "ci", scopes=["a:b"], metadata={"team": "core"})

    assert (key.digest, key.hint) == (DIGEST, "orch_1a2b…c3d4")
    assert (key.name, key.scopes, key.metadata) == ("ci", ["a:b"], {"team": "core"})


def test_a_key_to_import_shows_nothing_that_leads_to_its_secret() -> None:
    shown = repr(KeyToImport.from_secret(SECRET, "ci"))

    assert SECRET[9:-4] not in shown
    assert DIGEST.hex() not in shown
    assert repr(DIGEST) not in shown


@pytest.mark.parametrize("text", ["", SECRET[:-1], SECRET + "\n", "ORCH_" + "0" * 40])
def test_what_is_no_secret_is_not_imported_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="40 hexadecimal") as caught:
        KeyToImport.from_secret(text, "ci")

    assert not text or text not in str(caught.value)


async def test_keys_are_imported_as_asked(client: Any, server: Any) -> None:
    key = KeyToImport(
        DIGEST,
        "ci",
        scopes=["a:b"],
        create_time=AT,
        expire_time=AT,
        last_use_time=AT,
        metadata={"team": "core"},
        hint="orch_1a2b…c3d4",
        disabled=True,
        allowed_addresses=["::1"],
        rate_limit=RateLimit(5, timedelta(minutes=1)),
    )

    await client.import_keys([key], account_id="acct_1", mode=ImportMode.ALL_OR_NOTHING)

    assert server.calls[0].request == key_import_pb2.ImportKeysRequest(
        account_id="acct_1",
        keys=[
            key_import_pb2.ImportedKey(
                digest=DIGEST,
                name="ci",
                scopes=["a:b"],
                create_time=STAMP,
                expire_time=STAMP,
                last_use_time=STAMP,
                metadata={"team": "core"},
                hint="orch_1a2b…c3d4",
                disabled=True,
                allowed_addresses=["::1"],
                rate_limit=rate_limit_pb2.RateLimit(requests=5, period=Duration(seconds=60)),
            )
        ],
        mode=key_import_pb2.IMPORT_MODE_ALL_OR_NOTHING,
    )


async def test_every_key_has_its_result_in_order(client: Any, server: Any, answers: Any) -> None:
    failure = key_import_pb2.ImportFailure(
        reason=error_reason_pb2.ERROR_REASON_INVALID_REQUEST,
        violations=[
            key_import_pb2.ImportViolation(field="keys[2].name", description="is required")
        ],
    )
    server.script(
        "ImportKeys",
        answers.imported(
            key_import_pb2.ImportResult(key=answers.key()),
            key_import_pb2.ImportResult(existing_key=answers.key(key_id="key_2")),
            key_import_pb2.ImportResult(failure=failure),
            key_import_pb2.ImportResult(withheld=key_import_pb2.ImportWithheld()),
        ),
    )

    imported = await client.import_keys([KeyToImport(b"", "ci")] * 4, account_id="acct_1")

    new, old, failed, withheld = imported.results
    assert isinstance(new, Imported)
    assert isinstance(old, AlreadyThere)
    assert [new.key.key_id, old.key.key_id] == ["key_1", "key_2"]
    assert failed == ImportFailed(
        ErrorReason.INVALID_REQUEST, (FieldViolation("keys[2].name", "is required"),)
    )
    assert withheld == Withheld()
    assert (imported.imported_count, imported.revision) == (1, 9)


async def test_a_reason_of_a_newer_server_is_unknown(
    client: Any, server: Any, answers: Any
) -> None:
    failure = key_import_pb2.ImportFailure(reason=4711)  # type: ignore[arg-type]
    server.script("ImportKeys", answers.imported(key_import_pb2.ImportResult(failure=failure)))

    imported = await client.import_keys([KeyToImport(b"", "ci")], account_id="acct_1")

    assert imported.results == (ImportFailed(ErrorReason.UNKNOWN, ()),)


@pytest.mark.parametrize("results", [0, 2])
async def test_another_number_of_results_than_of_keys_is_malformed(
    client: Any, server: Any, answers: Any, results: int
) -> None:
    response = answers.imported()
    del response.results[:]
    response.results.extend([key_import_pb2.ImportResult(key=answers.key())] * results)
    server.script("ImportKeys", response)

    with pytest.raises(MalformedResponse):
        await client.import_keys([KeyToImport(b"", "ci")], account_id="acct_1")


async def test_a_result_without_an_outcome_is_malformed(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("ImportKeys", answers.imported(key_import_pb2.ImportResult()))

    with pytest.raises(MalformedResponse, match="no outcome"):
        await client.import_keys([KeyToImport(b"", "ci")], account_id="acct_1")


async def test_a_naive_time_is_refused(client: Any, server: Any) -> None:
    naive = AT.replace(tzinfo=None)

    with pytest.raises(ValueError, match="create_time has no time zone"):
        await client.import_keys([KeyToImport(b"", "ci", create_time=naive)], account_id="acct_1")

    assert server.calls == []


async def test_a_mode_that_cannot_be_sent_is_refused(client: Any, server: Any) -> None:
    with pytest.raises(ValueError, match="ImportMode"):
        await client.import_keys([], account_id="acct_1", mode=ImportMode.UNKNOWN)

    assert server.calls == []


async def test_all_keys_are_revoked_as_asked(client: Any, server: Any) -> None:
    revoked = await client.revoke_keys(
        account_id="acct_1",
        reason=RevocationReason.COMPROMISED,
        note="incident",
        except_key_ids=["key_1"],
    )

    assert server.calls[0].request == key_revocation_pb2.RevokeKeysRequest(
        account_id="acct_1",
        reason=key_pb2.REVOCATION_REASON_COMPROMISED,
        note="incident",
        except_key_ids=["key_1"],
    )
    assert (revoked.revoked_count, revoked.revision) == (3, 9)


async def test_one_id_is_not_taken_for_many(client: Any, server: Any) -> None:
    with pytest.raises(TypeError, match="except_key_ids"):
        await client.revoke_keys(except_key_ids="key_1")

    assert server.calls == []


async def test_a_revocation_that_ran_out_of_time_says_how_far_it_got(
    client: Any, server: Any, answers: Any
) -> None:
    status = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="scripted")
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(
            reason="ERROR_REASON_DATABASE_UNAVAILABLE",
            domain="auth.orchestratorhq.com",
            metadata={"revoked_count": "500"},
        )
    )
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    server.script("RevokeKeys", answers.Failure(grpc.StatusCode.UNAVAILABLE, "later", trailers))

    with pytest.raises(Unavailable) as caught:
        await client.revoke_keys(account_id="acct_1")

    assert caught.value.metadata == {"revoked_count": "500"}


async def test_a_leaked_key_is_reported_with_its_place(client: Any, server: Any) -> None:
    reported = await client.report_leaked_key(Secret(SECRET), found_at="https://example.com/a.txt")

    assert server.calls[0].request == key_revocation_pb2.ReportLeakedKeyRequest(
        secret=SECRET, found_at="https://example.com/a.txt"
    )
    assert (reported.key_id, reported.revoke_time) == ("key_1", AT)
    assert (reported.outcome, reported.revision) == (LeakReportOutcome.REVOKED, 9)


async def test_a_report_of_a_key_that_had_ended_says_so(
    client: Any, server: Any, answers: Any
) -> None:
    ended = key_revocation_pb2.LEAK_REPORT_OUTCOME_ALREADY_ENDED
    server.script("ReportLeakedKey", answers.reported(outcome=ended))

    reported = await client.report_leaked_key(SECRET, found_at="a log")

    assert reported.outcome is LeakReportOutcome.ALREADY_ENDED


async def test_too_many_reports_say_how_long_to_wait(
    client: Any, server: Any, answers: Any
) -> None:
    status = status_pb2.Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message="scripted")
    delay = error_details_pb2.RetryInfo()
    delay.retry_delay.FromSeconds(42)
    status.details.add().Pack(delay)
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    server.script(
        "ReportLeakedKey", answers.Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "later", trailers)
    )

    with pytest.raises(ResourceExhausted) as caught:
        await client.report_leaked_key(SECRET, found_at="a log")

    assert caught.value.retry_delay is not None
    assert caught.value.retry_delay.total_seconds() == 42


async def test_a_reported_secret_is_in_no_error(client: Any, server: Any, answers: Any) -> None:
    server.script("ReportLeakedKey", answers.Failure(grpc.StatusCode.NOT_FOUND, "not found"))

    with pytest.raises(Exception, match="not found") as caught:
        await client.report_leaked_key(SECRET, found_at="a log")

    assert SECRET not in f"{caught.value!r} {caught.value}"


async def test_an_anonymous_client_sends_no_credential(connect: Any, server: Any) -> None:
    client = connect(server.target, api_key=ANONYMOUS, plaintext=True)

    await client.report_leaked_key(SECRET, found_at="a log")

    assert "authorization" not in server.calls[0].metadata


async def test_an_anonymous_client_leaves_the_key_of_the_environment(
    connect: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHSVC_API_KEY", SECRET)
    client = connect(server.target, api_key=ANONYMOUS, plaintext=True)

    await client.report_leaked_key(SECRET, found_at="a log")

    assert "authorization" not in server.calls[0].metadata
