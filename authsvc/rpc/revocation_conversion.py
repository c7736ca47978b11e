"""Between the wire messages of RevokeKeys and ReportLeakedKey and domain values, nothing else."""

from __future__ import annotations

from authsvc.rpc.key_conversion import REVOCATION_REASONS
from authsvc.rpc.time_conversion import optional_timestamp
from authsvc.usecases.report_leaked_key import LeakReport, ReportedKey
from authsvc.usecases.revoke_keys import RevokedKeys, RevokeKeysCommand
from orchestrator.auth.v1 import key_revocation_pb2 as pb


def revoke_keys_command(request: pb.RevokeKeysRequest) -> RevokeKeysCommand:
    """Convert a request of RevokeKeys."""
    return RevokeKeysCommand(
        account_id=request.account_id,
        reason=REVOCATION_REASONS.get(request.reason),
        note=request.note,
        except_key_ids=tuple(request.except_key_ids),
    )


def revoke_keys_response(revoked: RevokedKeys) -> pb.RevokeKeysResponse:
    """Convert how many keys were ended."""
    return pb.RevokeKeysResponse(revoked_count=revoked.count, revision=revoked.revision)


def leak_report(request: pb.ReportLeakedKeyRequest) -> LeakReport:
    """Convert a request of ReportLeakedKey."""
    return LeakReport(secret=request.secret, found_at=request.found_at)


def report_leaked_key_response(reported: ReportedKey) -> pb.ReportLeakedKeyResponse:
    """Convert what a report did."""
    key = reported.key
    return pb.ReportLeakedKeyResponse(
        key_id=key.key_id,
        revoke_time=optional_timestamp(key.revoke_time),
        outcome=pb.LeakReportOutcome.Value(f"LEAK_REPORT_OUTCOME_{reported.outcome}"),
        revision=key.revision,
    )
