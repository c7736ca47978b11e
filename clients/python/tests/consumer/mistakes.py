"""What the types must refuse; each line is here to be an error."""

from __future__ import annotations

from orchestrator.auth import AsyncAuthClient, AuthClient, Principal, Verdict


def mistakes(client: AuthClient, other: AsyncAuthClient, verdict: Verdict) -> None:
    client.validate(b"Bearer x")  # type: ignore[arg-type]
    client.validate()  # type: ignore[call-arg]
    client.check_many([b"Bearer x"])  # type: ignore[list-item]
    client.check_many(["x"], required_scopes=["a"])  # type: ignore[call-arg]
    client.explain(b"Bearer x")  # type: ignore[arg-type]
    client.explain("x", authoritative=True)  # type: ignore[call-arg]
    client.watch("1")  # type: ignore[arg-type]
    client.create_key("ci", "acct_1")  # type: ignore[call-arg]
    client.rotate_key()  # type: ignore[call-arg]
    client.rotate_key("key_1", overlap=3600)  # type: ignore[arg-type]
    client.revoke_key("key_1")  # type: ignore[call-arg]
    AuthClient(1)  # type: ignore[arg-type]
    verdict.principal.account_id  # type: ignore[union-attr]  # noqa: B018
    client.validate("x").scopes = ()  # type: ignore[misc]
    unawaited: Principal = other.validate("x")  # type: ignore[assignment]
    del unawaited
