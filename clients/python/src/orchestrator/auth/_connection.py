"""Where and how the clients connect: settings, channel options, retries. Depends on grpc."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import grpc.aio

from orchestrator.auth._errors import ConfigurationError
from orchestrator.auth._model import ANONYMOUS, Anonymous
from orchestrator.auth._secret import Secret, revealed
from orchestrator.auth._trace_context import trace_context

DEFAULT_TIMEOUT: Final = 2.0
"""Seconds that a call may take, its retries included, unless it says otherwise."""

_SERVICES: Final = "orchestrator.auth.v1"

# What may be repeated without harm: the answer to a first attempt may be lost on the way.
# CreateKey and RotateKey are here because `_key_requests` gives each request an id, under which the
# server finds its first answer (AIP-155). CreateAccount has none and is not here, as each attempt
# might create another one; nor are CreateUser and the calls that change a key, an account or a
# user, as a second attempt finds the address, the etag or the password that the first one left; nor
# are RotateSigningKey, which after a compromise makes another key each time, CreateSession, which
# begins another session, and RevokeAllSessions, which tells its revision once; nor RevokeKeys, each
# attempt of which may do a part and tell how much, which its repeat would conceal; and
# WatchRevocations is not, as only `_watch` knows from where to go on. RefreshSession is here: for a
# while the server answers a token that was used as it did the first time.
_REPEATABLE: Final = (
    ("AuthService", "ValidateCredential"),
    ("AuthService", "GetKey"),
    ("AuthService", "ListKeys"),
    ("AuthService", "GetKeyUsage"),
    ("AuthService", "GetAccountUsage"),
    ("AuthService", "BatchValidateCredentials"),
    ("AuthService", "ExplainCredential"),
    ("AuthService", "CreateKey"),
    ("AuthService", "RotateKey"),
    ("AuthService", "RevokeKey"),
    ("AuthService", "ImportKeys"),
    ("AuthService", "ReportLeakedKey"),
    ("AccountService", "GetAccount"),
    ("AccountService", "ListAccounts"),
    ("AccountService", "GetUser"),
    ("AccountService", "ListUsers"),
    ("AuditService", "ListAuditEvents"),
    ("SessionService", "GetJwks"),
    ("SessionService", "RefreshSession"),
    ("SessionService", "RevokeSession"),
    ("SessionService", "ListSessions"),
)

# gRPC spreads each pause at random, ends retrying at the call's deadline and follows a server's
# `grpc-retry-pushback-ms`. The throttle keeps an outage from multiplying the load: after
# fifty failures in a row there are no retries until calls succeed again (gRFC A6).
_SERVICE_CONFIG: Final[dict[str, Any]] = {
    # Spread calls over every address of the target; the default keeps to the first that answers.
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [
                {"service": f"{_SERVICES}.{service}", "method": method}
                for service, method in _REPEATABLE
            ],
            # No waitForReady: when no server can be reached, a request that depends on this call
            # should learn so at once instead of being held up until its deadline.
            "waitForReady": False,
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}

_OPTIONS: Final[tuple[tuple[str, str | int], ...]] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # Replaces a connection whose other end is gone without a word within about a minute; without
    # these, calls on it go on failing for a quarter of an hour. Pings go out only while a call
    # waits, and every answer resets the server's count of them, so that a server's default limit
    # (gRFC A8: three within five minutes without data) is not met. On Linux a set time also turns
    # on TCP_USER_TIMEOUT, with the timeout as its value (gRFC A18).
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # The default of 4 MiB is less than what a batch of 1,000 principals may take: metadata and
    # scopes at their bounds make up some 75 KB each.
    ("grpc.max_receive_message_length", 128 << 20),
    # The default lets two minutes pass between attempts to connect after a long outage.
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_PRIVATE_KEY: Final = re.compile(rb"-----BEGIN (RSA |EC )?PRIVATE KEY-----(?!\s*Proc-Type)")
_VISIBLE: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Connection:
    """The settings of a client, checked. Opens nothing by itself."""

    target: str
    api_key: Secret | None
    """None: of a client that has none, and says so."""
    plaintext: bool
    root_certificates: bytes | None = field(repr=False)
    client_certificate: bytes | None = field(repr=False)
    client_key: Secret | None
    """That of the client's certificate."""
    timeout: float

    @classmethod
    def resolve(
        cls,
        target: str | None,
        *,
        api_key: Secret | str | Anonymous | None,
        plaintext: bool,
        root_certificates: bytes | None,
        client_certificate: bytes | None,
        client_key: bytes | None,
        timeout: float,
    ) -> Connection:
        """Fill in what is not given from the environment, and check all of it.

        Raises:
            ConfigurationError: Something is missing or cannot work; the text says what.
            ValueError: The timeout is not a positive, finite number.
        """
        if root_certificates is not None:
            if plaintext:
                raise ConfigurationError("plaintext=True makes no use of root_certificates")
            if _CERTIFICATE not in root_certificates:
                raise ConfigurationError("root_certificates holds no PEM certificate")
        if client_certificate is not None or client_key is not None:
            _check_pair(client_certificate, client_key, plaintext=plaintext)
        if api_key is None and client_certificate is not None:
            api_key = os.environ.get("AUTHSVC_API_KEY") or ANONYMOUS
        return cls(
            target=_target(target or os.environ.get("AUTHSVC_ADDRESS")),
            api_key=(
                None
                if isinstance(api_key, Anonymous)
                else _api_key(api_key or os.environ.get("AUTHSVC_API_KEY"))
            ),
            plaintext=plaintext,
            root_certificates=root_certificates,
            client_certificate=client_certificate,
            client_key=Secret(client_key.decode("latin-1")) if client_key else None,
            timeout=_seconds(timeout),
        )

    def open(self) -> grpc.Channel:
        """Return a channel for the sync client."""
        if self.plaintext:
            return grpc.insecure_channel(self.target, options=_OPTIONS)
        return grpc.secure_channel(self.target, self._tls(), options=_OPTIONS)

    def open_async(self) -> grpc.aio.Channel:
        """Return a channel for the async client; it belongs to the running event loop."""
        if self.plaintext:
            return grpc.aio.insecure_channel(self.target, options=_OPTIONS)
        return grpc.aio.secure_channel(self.target, self._tls(), options=_OPTIONS)

    def metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Return the metadata of a call: the client's own credential (RFC 6750), if any.

        In a program that uses OpenTelemetry, the context of the running trace goes with it.
        """
        traced = trace_context()
        if self.api_key is None:
            return traced
        return (("authorization", f"Bearer {self.api_key.reveal()}"), *traced)

    def deadline(self, timeout: float | None) -> float:
        """Return the seconds that a call has: its own or the client's.

        Raises:
            ValueError: It is not a positive, finite number.
        """
        return self.timeout if timeout is None else _seconds(timeout)

    def _tls(self) -> grpc.ChannelCredentials:
        key = self.client_key
        return grpc.ssl_channel_credentials(
            root_certificates=self.root_certificates,
            private_key=key.reveal().encode("latin-1") if key else None,
            certificate_chain=self.client_certificate,
        )


def _check_pair(certificate: bytes | None, key: bytes | None, *, plaintext: bool) -> None:
    if plaintext:
        raise ConfigurationError("plaintext=True makes no use of client_certificate")
    if certificate is None or key is None:
        raise ConfigurationError("client_certificate and client_key go together: pass both")
    if _CERTIFICATE not in certificate:
        raise ConfigurationError("client_certificate holds no PEM certificate")
    if _PRIVATE_KEY.search(key) is None:
        raise ConfigurationError("client_key holds no PEM private key, or an encrypted one")


def _target(target: str | None) -> str:
    if not target:
        raise ConfigurationError("no address: set AUTHSVC_ADDRESS or pass target, as host:port")
    if target.startswith(("http://", "https://")):
        raise ConfigurationError("the address is host:port, not a URL")
    return target


def _api_key(api_key: Secret | str | None) -> Secret:
    text = revealed(api_key) if api_key else ""
    if not text:
        raise ConfigurationError("no API key: set AUTHSVC_API_KEY or pass api_key")
    if not _VISIBLE.fullmatch(text):
        raise ConfigurationError(
            "the API key has characters that cannot be sent: white space (a line break at its end, "
            "or a scheme before it), control characters or letters beyond ASCII"
        )
    return Secret(text)


def _seconds(timeout: float) -> float:
    if not (math.isfinite(timeout) and timeout > 0):
        raise ValueError("a timeout is a positive, finite number of seconds")
    return timeout
