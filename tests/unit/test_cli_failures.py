"""What the command line says when something went wrong."""

from __future__ import annotations

import errno
from datetime import timedelta

import grpc
import pytest

from authsvc.cli import commands
from authsvc.cli.failures import Failure, explain
from authsvc.config import InvalidSettings
from authsvc.domain.errors import (
    AccountNotFound,
    DatabaseUnavailable,
    InvalidRequest,
    KeyNameTaken,
    Violation,
)
from authsvc.domain.signing_keys import SigningAlgorithm
from authsvc.listening import AddressInUse
from authsvc.tokens.keyring import SigningKeyMissing
from authsvc.tokens.sealing import SealBroken
from orchestrator.auth import (
    AlreadyExists,
    ConfigurationError,
    ErrorReason,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from orchestrator.auth._details import FieldViolation


def _unavailable(cause: Exception) -> DatabaseUnavailable:
    error = DatabaseUnavailable("SQLSTATE 57P01")
    error.__cause__ = cause
    return error


def _refused(denial_reason: str) -> Unauthenticated:
    return Unauthenticated(
        "Refused.",
        reason=ErrorReason.CALLER_CREDENTIAL_INVALID,
        metadata={"denial_reason": f"DENIAL_REASON_{denial_reason}"},
    )


EXPLANATIONS = [
    pytest.param(
        InvalidSettings(["AUTHSVC_A: is required", "AUTHSVC_B: is bad"]),
        ["AUTHSVC_A: is required", "AUTHSVC_B: is bad"],
        id="every setting",
    ),
    pytest.param(
        _unavailable(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")),
        ["the database cannot be reached", "Connection refused", "AUTHSVC_DATABASE_URL"],
        id="database",
    ),
    pytest.param(
        _unavailable(TimeoutError()), ["the database cannot be reached"], id="silent database"
    ),
    pytest.param(
        InvalidRequest((Violation("name", "is required"), Violation("ttl", "is positive"))),
        ["name is required", "ttl is positive"],
        id="every violation",
    ),
    pytest.param(
        InvalidArgument(
            "The request is invalid.",
            reason=ErrorReason.INVALID_REQUEST,
            field_violations=(FieldViolation("name", "is required"),),
        ),
        ["name is required", "INVALID_ARGUMENT"],
        id="violations that the server found",
    ),
    pytest.param(
        PermissionDenied(
            "Not permitted.",
            reason=ErrorReason.CALLER_NOT_PERMITTED,
            request_id="r-1",
            metadata={"required_scope": "authsvc:admin"},
        ),
        ["Not permitted.", "required_scope: authsvc:admin", "r-1"],
        id="the scope needed, and the request id",
    ),
    pytest.param(
        AlreadyExists("Taken.", reason=ErrorReason.EMAIL_TAKEN),
        ["Taken. [ALREADY_EXISTS]", "reason: EMAIL_TAKEN"],
        id="the reason",
    ),
    pytest.param(
        _refused("KEY_NOT_FOUND"),
        ["  denial reason: KEY_NOT_FOUND"],
        id="why the caller is refused",
    ),
    pytest.param(
        Unauthenticated("No credential.", reason=ErrorReason.CALLER_CREDENTIAL_MISSING),
        ["AUTHSVC_API_KEY", "--api-key-file"],
        id="where to give a key",
    ),
    pytest.param(
        ResourceExhausted(
            "Over the limit.",
            reason=ErrorReason.RATE_LIMITED,
            retry_delay=timedelta(seconds=58, milliseconds=1),
        ),
        ["Over the limit.", "try again in 59 s"],
        id="how long to wait",
    ),
    pytest.param(Unavailable("failed to connect"), ["--plaintext"], id="no server"),
    pytest.param(
        FileNotFoundError(errno.ENOENT, "No such file or directory", "admin.key"),
        ["admin.key", "No such file or directory"],
        id="missing file",
    ),
    pytest.param(OSError("odd"), ["odd"], id="other error of the system"),
    pytest.param(Failure("do this"), ["do this"], id="failure of a command"),
    pytest.param(ConfigurationError("no key"), ["no key"], id="client without a key"),
    pytest.param(SigningKeyMissing(SigningAlgorithm.ES256), ["authsvc bootstrap"], id="no key"),
    pytest.param(SealBroken("label"), ["AUTHSVC_ENCRYPTION_KEY"], id="broken seal"),
    pytest.param(AddressInUse("127.0.0.1:1"), ["127.0.0.1:1"], id="address in use"),
]


@pytest.mark.parametrize(("error", "words"), EXPLANATIONS)
def test_what_a_person_can_mend_is_explained(error: Exception, words: list[str]) -> None:
    text = explain(error) or ""

    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("denial_reason", "words"),
    [
        ("ADDRESS_NOT_ALLOWED", ["not good from this address", "--allow-address"]),
        ("KEY_DISABLED", ["key is disabled", "--enable"]),
        ("ACCOUNT_DISABLED", ["account", "authsvc account enable"]),
        ("KEY_EXPIRED", ["has ended", "another one", "AUTHSVC_API_KEY"]),
        ("KEY_REVOKED", ["has ended", "another one", "AUTHSVC_API_KEY"]),
        ("TOKEN_EXPIRED", ["token has ended", "AUTHSVC_API_KEY"]),
        ("TOKEN_REVOKED", ["token has ended", "AUTHSVC_API_KEY"]),
        ("KEY_NOT_FOUND", ["Give the caller's key in AUTHSVC_API_KEY"]),
        ("A_LATER_ONE", ["Give the caller's key in AUTHSVC_API_KEY"]),
    ],
)
def test_what_to_do_about_a_refused_caller_depends_on_why(
    denial_reason: str, words: list[str]
) -> None:
    text = explain(_refused(denial_reason)) or ""

    assert [word for word in words if word not in text] == []
    assert ("Give the caller's key" in text) == ("Give the caller's key" in words[0])


def test_who_gave_a_wrong_password_is_not_asked_for_a_key() -> None:
    error = Unauthenticated("No.", reason=ErrorReason.LOGIN_REFUSED)

    assert "AUTHSVC_API_KEY" not in (explain(error) or "")


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RuntimeError("x")])
def test_a_fault_of_the_program_is_not_explained_away(error: Exception) -> None:
    assert explain(error) is None


@pytest.mark.parametrize(
    "error", [AccountNotFound(), KeyNameTaken(), TimeoutError(), ConnectionResetError()]
)
def test_an_error_without_words_is_told_by_its_name(error: Exception) -> None:
    assert explain(error) == type(error).__name__


def test_a_status_of_the_service_is_not_taken_for_a_missing_server() -> None:
    error = Unavailable("The database is away.", reason=ErrorReason.DATABASE_UNAVAILABLE)

    assert "--plaintext" not in (explain(error) or "")


def test_the_code_of_a_status_is_told() -> None:
    error = Unavailable("Away.", code=grpc.StatusCode.UNAVAILABLE)

    assert "[UNAVAILABLE]" in (explain(error) or "")


def test_what_a_driver_says_is_told_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise _unavailable(ValueError("bad: postgresql://a:hunter2@db/a?password=hunter2"))

    monkeypatch.setattr(commands, "app", fail)

    with pytest.raises(SystemExit):
        commands.run()

    assert "bad: postgresql://a:[redacted]@db/a?password=[redacted]" in capsys.readouterr().err
