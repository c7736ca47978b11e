"""Between the wire messages of ImportKeys and domain values, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from authsvc.domain.errors import InvalidRequest
from authsvc.domain.imported_keys import ImportedKey
from authsvc.domain.key_import import AlreadyThere, Imported, ImportMode, Outcome, Refused
from authsvc.rpc.error_table import row_of
from authsvc.rpc.key_conversion import key_message, to_rate_limit
from authsvc.rpc.time_conversion import to_datetime
from authsvc.usecases.import_keys import ImportKeysCommand
from orchestrator.auth.v1 import key_import_pb2 as pb

_MODES: Final = {
    pb.IMPORT_MODE_UNSPECIFIED: ImportMode.EACH_BY_ITSELF,
    pb.IMPORT_MODE_EACH_BY_ITSELF: ImportMode.EACH_BY_ITSELF,
    pb.IMPORT_MODE_ALL_OR_NOTHING: ImportMode.ALL_OR_NOTHING,
}


def import_keys_command(request: pb.ImportKeysRequest) -> ImportKeysCommand:
    """Convert a request of ImportKeys."""
    return ImportKeysCommand(
        account_id=request.account_id,
        keys=tuple(map(_imported_key, request.keys)),
        mode=_MODES.get(request.mode),
    )


def import_keys_response(outcomes: Sequence[Outcome], now: datetime) -> pb.ImportKeysResponse:
    """Convert what became of keys, with those that are there in the states of a moment."""
    there = [one for one in outcomes if isinstance(one, Imported | AlreadyThere)]
    return pb.ImportKeysResponse(
        results=[_result(outcome, now) for outcome in outcomes],
        imported_count=sum(isinstance(outcome, Imported) for outcome in outcomes),
        revision=max((one.key.revision for one in there), default=0),
    )


def _imported_key(message: pb.ImportedKey) -> ImportedKey:
    return ImportedKey(
        digest=message.digest,
        name=message.name,
        scopes=tuple(message.scopes),
        create_time=to_datetime(message.create_time) if message.HasField("create_time") else None,
        expire_time=to_datetime(message.expire_time) if message.HasField("expire_time") else None,
        last_use_time=to_datetime(message.last_use_time)
        if message.HasField("last_use_time")
        else None,
        metadata=dict(message.metadata),
        hint=message.hint,
        allowed_addresses=tuple(message.allowed_addresses),
        rate_limit=to_rate_limit(message.rate_limit) if message.HasField("rate_limit") else None,
        disabled=message.disabled,
    )


def _result(outcome: Outcome, now: datetime) -> pb.ImportResult:
    match outcome:
        case Imported():
            return pb.ImportResult(key=key_message(outcome.key, now))
        case AlreadyThere():
            return pb.ImportResult(existing_key=key_message(outcome.key, now))
        case Refused():
            return pb.ImportResult(failure=_failure(outcome))
    return pb.ImportResult(withheld=pb.ImportWithheld())


def _failure(refused: Refused) -> pb.ImportFailure:
    error = refused.error
    violations = error.violations if isinstance(error, InvalidRequest) else ()
    return pb.ImportFailure(
        reason=row_of(error).reason,
        violations=[
            pb.ImportViolation(field=violation.field, description=violation.description)
            for violation in violations
        ],
    )
