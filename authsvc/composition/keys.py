"""Keys, and the judging of credentials, over gRPC: built here, joined in `authsvc.app`."""

from __future__ import annotations

import os
import time
from datetime import timedelta

from authsvc.composition.judging import Judging
from authsvc.composition.signing import answer_sealers, page_tokens
from authsvc.config import Settings
from authsvc.domain import ids
from authsvc.domain.clock import Clock
from authsvc.postgres.accounts import PostgresAccounts
from authsvc.postgres.answered_requests import PostgresAnswers
from authsvc.postgres.audit import PostgresAuditLog
from authsvc.postgres.changes import PostgresChangeLog
from authsvc.postgres.database import Database
from authsvc.postgres.key_import import PostgresKeyImport
from authsvc.postgres.key_revocation import PostgresKeyRevocation
from authsvc.postgres.key_rotation import PostgresKeyRotation
from authsvc.postgres.keys import PostgresKeys
from authsvc.postgres.managed_keys import PostgresManagedKeys
from authsvc.postgres.recorded_usage import PostgresRecordedUsage
from authsvc.rpc.auth_servicer import AuthServicer
from authsvc.usecases.answered_requests import AnsweredRequests
from authsvc.usecases.create_key import CreateKey
from authsvc.usecases.get_key import GetKey
from authsvc.usecases.get_usage import GetAccountUsage, GetKeyUsage
from authsvc.usecases.import_keys import ImportKeys
from authsvc.usecases.issue_key import IssueKey
from authsvc.usecases.list_keys import ListKeys
from authsvc.usecases.report_leaked_key import ReportLeakedKey
from authsvc.usecases.revoke_key import RevokeKey
from authsvc.usecases.revoke_keys import RevokeKeys
from authsvc.usecases.rotate_key import RotateKey
from authsvc.usecases.update_key import UpdateKey
from authsvc.usecases.validate_credential import BatchValidateCredentials, ValidateCredential
from authsvc.usecases.watch_revocations import WatchRevocations


def key_issuer(database: Database, *, clock: Clock) -> IssueKey:
    """Build what makes new keys."""
    return IssueKey(
        store=PostgresKeys(database), clock=clock, new_id=ids.new_id, random_bytes=os.urandom
    )


def auth_servicer(
    settings: Settings,
    database: Database,
    judging: Judging,
    *,
    issue_key: IssueKey,
    clock: Clock,
) -> AuthServicer:
    """Build what serves keys and judges credentials over gRPC."""
    accounts, keys = PostgresAccounts(database), PostgresManagedKeys(database)
    answers, recorded = PostgresAnswers(database), PostgresRecordedUsage(database)
    answered = _answered_requests(settings, database, clock)
    return AuthServicer(
        validate_credential=ValidateCredential(judging.judge, judging.verdicts),
        batch_validate_credentials=BatchValidateCredentials(judging.judge_batch, judging.verdicts),
        watch_revocations=WatchRevocations(feed=judging.feed, log=PostgresChangeLog(database)),
        explain_credential=judging.explain_credential,
        get_key=GetKey(keys),
        list_keys=ListKeys(
            accounts=accounts, keys=keys, page_tokens=page_tokens(settings), clock=clock
        ),
        update_key=UpdateKey(store=keys, clock=clock),
        create_key=CreateKey(
            accounts=accounts,
            issue_key=issue_key,
            clock=clock,
            answered=answered,
            store=answers,
        ),
        rotate_key=RotateKey(
            keys=keys,
            store=PostgresKeyRotation(database),
            answered=answered,
            clock=clock,
            new_id=ids.new_id,
            random_bytes=os.urandom,
        ),
        revoke_key=RevokeKey(store=PostgresKeys(database), clock=clock),
        get_key_usage=GetKeyUsage(keys=keys, recorded=recorded, clock=clock),
        get_account_usage=GetAccountUsage(accounts=accounts, recorded=recorded, clock=clock),
        import_keys=ImportKeys(
            accounts=accounts,
            store=PostgresKeyImport(database),
            clock=clock,
            new_id=ids.new_id,
        ),
        revoke_keys=RevokeKeys(
            accounts=accounts,
            store=PostgresKeyRevocation(database),
            audit=PostgresAuditLog(database),
            clock=clock,
        ),
        report_leaked_key=ReportLeakedKey(
            store=PostgresKeys(database),
            failures=judging.failures,
            reports_per_minute=settings.leak_reports_per_minute,
            clock=clock,
            monotonic=time.monotonic,
        ),
        clock=clock,
    )


def _answered_requests(settings: Settings, database: Database, clock: Clock) -> AnsweredRequests:
    sealer, previous = answer_sealers(settings)
    return AnsweredRequests(
        store=PostgresAnswers(database),
        keys=PostgresManagedKeys(database),
        sealer=sealer,
        previous=previous,
        audit=PostgresAuditLog(database),
        window=timedelta(seconds=settings.request_id_window),
        clock=clock,
    )
