"""Every change is a row of the audit log, whoever makes it; and a row stays as it is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from authsvc import app
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.key_secrets import digest_of
from authsvc.domain.origin import Origin
from authsvc.postgres import schema
from authsvc.postgres.database import Connection
from orchestrator.auth import ActorKind, AuditActor, AuditEvent, AuditTarget, TargetKind
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import ORIGIN, Service
from tests.integration.support import Stubs, bearer, connected, fresh_name, url_of
from tests.integration.support_audit import EVERYTHING, SERVICES, events_of, rows_of

APPEND_ONLY = (
    "UPDATE authsvc.audit_events SET outcome = 'OK'",
    "DELETE FROM authsvc.audit_events",
    "TRUNCATE authsvc.audit_events",
    "UPDATE {month} SET outcome = 'OK'",
    "DELETE FROM {month}",
    "TRUNCATE {month}",
    "TRUNCATE authsvc.audit_events_default",
)
MONTH = "SELECT tableoid::regclass::text FROM authsvc.audit_events LIMIT 1"


async def key_of_caller(service: Service) -> AuditActor:
    """Return the admin as an actor."""
    async with service.client() as client:
        principal = await client.validate(service.admin_key)
    assert principal.key_id is not None
    return AuditActor(ActorKind.KEY, principal.key_id, service.system.account_id)


def changed(event: AuditEvent) -> set[str]:
    """Return the names of the fields that an event changed."""
    return set(event.before or ()) | set(event.after or ())


async def test_a_new_key_is_told_with_who_made_it_and_from_where(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    name = fresh_name()
    request = pb.CreateKeyRequest(account_id=shared_service.account.account_id, name=name)
    call = shared_stubs.auth.CreateKey(
        request, metadata=(*bearer(shared_service.admin_key), ("x-request-id", "req-1"))
    )
    created = await call

    (event,) = await events_of(shared_service, target_id=created.key.key_id)

    assert event.actor == await key_of_caller(shared_service)
    assert event.action == f"{SERVICES}.AuthService/CreateKey"
    assert event.target == AuditTarget(TargetKind.KEY, created.key.key_id)
    assert event.account_id == shared_service.account.account_id
    assert (event.request_id, event.address, event.outcome) == ("req-1", "127.0.0.1", "OK")
    assert event.before is None
    assert event.after is not None
    after = dict(event.after)
    create_time = datetime.fromisoformat(str(after.pop("create_time")))
    assert create_time == created.key.create_time.ToDatetime(UTC)
    assert after == {
        "key_id": created.key.key_id,
        "account_id": shared_service.account.account_id,
        "name": name,
        "scopes": ["*"],
        "allowed_addresses": [],
        "hint": created.key.hint,
        "metadata": {},
        "disabled": False,
        "revoke_reason": "UNSPECIFIED",
        "revoke_note": "",
    }


async def test_a_changed_key_is_told_by_what_differs(shared_service: Service) -> None:
    async with shared_service.client() as client:
        created = await client.create_key(
            "before", account_id=shared_service.account.account_id, metadata={"team": "core"}
        )
        await client.update_key(created.key.key_id, name="after", scopes=["sessions:read"])

    _, event = await events_of(shared_service, target_id=created.key.key_id)

    assert event.action == f"{SERVICES}.AuthService/UpdateKey"
    assert event.before == {"name": "before", "scopes": ["*"]}
    assert event.after == {"name": "after", "scopes": ["sessions:read"]}


async def test_a_rotation_is_told_of_both_keys(shared_service: Service) -> None:
    async with shared_service.client() as client:
        created = await client.create_key(
            fresh_name(), account_id=shared_service.account.account_id
        )
        rotated = await client.rotate_key(created.key.key_id)

    old = (await events_of(shared_service, target_id=created.key.key_id))[-1]
    (new,) = await events_of(shared_service, target_id=rotated.key.key_id)

    assert {old.action, new.action} == {f"{SERVICES}.AuthService/RotateKey"}
    assert old.request_id == new.request_id != ""
    assert changed(old) == {"expire_time", "superseded_by"}
    assert new.after is not None
    assert new.after["supersedes"] == created.key.key_id


async def test_an_update_to_what_the_key_is_already_is_told_as_no_change(
    shared_service: Service,
) -> None:
    async with shared_service.client() as client:
        created = await client.create_key("same", account_id=shared_service.account.account_id)
        await client.update_key(created.key.key_id, name="same")
        await client.revoke_key(key_id=created.key.key_id)

    _, event, _ = await events_of(shared_service, target_id=created.key.key_id)

    assert (event.before, event.after, event.outcome) == (None, None, "OK")


async def test_each_revocation_is_told_and_the_first_alone_changes_something(
    shared_service: Service,
) -> None:
    async with shared_service.client() as client:
        created = await client.create_key(
            fresh_name(), account_id=shared_service.account.account_id
        )
        await client.revoke_key(key_id=created.key.key_id, note="lost")
        await client.revoke_key(secret=created.secret)

    _, first, again = await events_of(shared_service, target_id=created.key.key_id)

    assert changed(first) == {"revoke_time", "revoke_note"}
    assert again.action == f"{SERVICES}.AuthService/RevokeKey"
    assert (again.before, again.after, again.outcome) == (None, None, "OK")
    assert again.account_id == shared_service.account.account_id


@pytest.mark.parametrize("method", ["CreateKey", "RotateKey"])
async def test_a_repeat_is_told_for_it_tells_a_secret_again(
    shared_service: Service, method: str
) -> None:
    request_id = "6f1c1d2e-8d1b-4c55-9f0a-1c2d3e4f5a6b" if method == "CreateKey" else None
    other_id = "7f1c1d2e-8d1b-4c55-9f0a-1c2d3e4f5a6b"
    name, account_id = fresh_name(), shared_service.account.account_id
    async with shared_service.client() as client:
        created = await client.create_key(name, account_id=account_id, request_id=request_id)
        if method == "CreateKey":
            made = created.key
            await client.create_key(name, account_id=account_id, request_id=request_id)
        else:
            made = (await client.rotate_key(created.key.key_id, request_id=other_id)).key
            await client.rotate_key(created.key.key_id, request_id=other_id)

    first, repeat = await events_of(shared_service, target_id=made.key_id)

    assert first.after is not None
    assert (repeat.action, repeat.outcome) == (f"{SERVICES}.AuthService/{method}", "OK")
    assert (repeat.before, repeat.after) == (None, None)


async def test_a_new_account_is_told(shared_service: Service) -> None:
    async with shared_service.client() as client:
        account = await client.create_account("Acme")

    (event,) = await events_of(shared_service, target_id=account.account_id)

    assert event.action == f"{SERVICES}.AccountService/CreateAccount"
    assert event.account_id == account.account_id
    assert event.after is not None
    assert event.after["display_name"] == "Acme"


async def test_what_a_command_makes_is_told_of_its_operator(service: Service) -> None:
    async with service.client() as client:
        events = [e async for e in client.list_audit_events() if e.action == ORIGIN.action]

    assert {event.actor.kind for event in events} == {ActorKind.OPERATOR}
    assert {event.target.kind for event in events if event.target} == {
        TargetKind.KEY,
        TargetKind.ACCOUNT,
        TargetKind.SIGNING_KEY,
    }


async def test_a_change_by_hand_is_told_of_the_role_that_made_it(service: Service) -> None:
    async with connected(url_of(service)) as connection:
        role = await connection.fetchval("SELECT session_user")
        await connection.execute("UPDATE authsvc.accounts SET state = 'DISABLED' WHERE is_system")

    event = (await rows_of(service))[-1]

    assert (event["actor_kind"], event["actor_id"]) == ("DATABASE", role)
    assert event["action"] == "UPDATE authsvc.accounts"
    assert event["target_id"] == service.system.account_id
    assert (event["before"], event["after"]) == ('{"state": "ACTIVE"}', '{"state": "DISABLED"}')


async def test_an_origin_does_not_outlive_its_transaction(service: Service) -> None:
    await service.create_account("told of its operator")

    async def rename(connection: Connection) -> None:
        await connection.execute("UPDATE authsvc.accounts SET display_name = 'by whom?'")

    # The same pool, and so perhaps the same session.
    for _ in range(5):
        await service.parts.database.run(rename, app.time_limit())

    renamed = [row for row in await rows_of(service) if row["action"] == "UPDATE authsvc.accounts"]
    assert len(renamed) == 15
    assert {row["actor_kind"] for row in renamed} == {"DATABASE"}


async def test_a_deleted_key_is_told_with_all_that_it_was(service: Service) -> None:
    secret = await service.create_key("sessions:read")
    async with connected(url_of(service)) as connection:
        await connection.execute("DELETE FROM authsvc.keys WHERE digest = $1", digest_of(secret))

    event = (await events_of(service))[-1]

    assert event.after is None
    assert event.before is not None
    assert event.before["scopes"] == ["sessions:read"]


async def test_a_digest_that_is_changed_by_hand_is_told_but_not_shown(service: Service) -> None:
    secret = await service.create_key()
    async with connected(url_of(service)) as connection:
        await connection.execute(
            "UPDATE authsvc.keys SET digest = sha256('x') WHERE digest = $1", digest_of(secret)
        )

    event = (await events_of(service))[-1]

    assert (event.before, event.after) == ({"digest": "(hidden)"}, {"digest": "(hidden)"})


async def test_a_signing_key_put_in_by_hand_is_told(service: Service) -> None:
    await service.execute(
        "INSERT INTO authsvc.signing_keys VALUES ('jwk_x', 'HS256', NULL, 'sealed', now())"
    )

    event = (await events_of(service))[-1]

    assert event.actor.kind is ActorKind.DATABASE
    assert event.target == AuditTarget(TargetKind.SIGNING_KEY, "jwk_x")
    assert "sealed_private_key" not in (event.after or {})


async def test_a_signing_time_that_is_changed_by_hand_is_told(service: Service) -> None:
    await service.execute("UPDATE authsvc.signing_keys SET activate_time = create_time + '1 day'")

    event = (await events_of(service))[-1]

    assert event.actor.kind is ActorKind.DATABASE
    assert changed(event) == {"activate_time"}


async def test_use_of_a_key_is_no_management(service: Service) -> None:
    secret = await service.create_key()
    before = await rows_of(service)
    async with service.client() as client:
        await client.validate(secret)
    await service.parts.usage.flush(app.time_limit())

    async with connected(url_of(service)) as connection:
        assert await connection.fetchval("SELECT count(last_use_time) FROM authsvc.keys") > 0
    assert await rows_of(service) == before


async def test_what_is_rolled_back_is_not_told(service: Service) -> None:
    before = await rows_of(service)
    async with connected(url_of(service)) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE authsvc.accounts SET display_name = 'gone'")
        assert len(await connection.fetch(EVERYTHING)) > len(before)
        await transaction.rollback()

    assert await rows_of(service) == before


async def test_a_change_that_fails_is_not_told(service: Service) -> None:
    before = await rows_of(service)

    async def break_off(connection: Connection) -> None:
        await connection.execute("UPDATE authsvc.accounts SET display_name = 'gone'")
        raise DatabaseUnavailable

    with pytest.raises(DatabaseUnavailable):
        await service.parts.database.change(ORIGIN, break_off, app.time_limit())

    assert await rows_of(service) == before


async def test_every_column_is_audited_but_those_that_are_no_management(
    database_url: str,
) -> None:
    unaudited = """
        SELECT c.relname || '.' || a.attname FROM pg_trigger t
          JOIN pg_class c ON c.oid = t.tgrelid
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE t.tgname = 'audit_change' AND a.attnum <> ALL (t.tgattr::int2[])
    """
    audited = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'audit_change'"
    async with connected(database_url) as connection:
        columns = {row[0] for row in await connection.fetch(unaudited)}
        tables = {row[0] for row in await connection.fetch(audited)}

    assert tables == {
        "authsvc.keys",
        "authsvc.accounts",
        "authsvc.signing_keys",
        "authsvc.users",
        "authsvc.sessions",
    }
    assert columns == {
        "keys.last_use_time",
        "keys.revision",
        "accounts.revision",
        "users.email_key",
        "users.last_login_time",
        "users.password_hash",
        "users.revision",
        "sessions.idle_expire_time",
        "sessions.last_seen_address",
        "sessions.last_seen_time",
        "sessions.revision",
    }


@pytest.mark.parametrize("statement", APPEND_ONLY)
async def test_the_log_is_only_ever_added_to(shared_service: Service, statement: str) -> None:
    async with connected(url_of(shared_service)) as connection:
        month = await connection.fetchval(MONTH)
        before = await connection.fetch(EVERYTHING)
        assert before

        with pytest.raises(asyncpg.RaiseError, match="only ever added to"):
            await connection.execute(statement.format(month=month))

        assert await connection.fetch(EVERYTHING) == before


async def test_event_ids_are_uuids_of_version_7_that_tell_the_time(service: Service) -> None:
    rows = await rows_of(service)

    assert len({row["event_id"] for row in rows}) == len(rows) > 0
    for row in rows:
        assert (row["event_id"].version, row["event_id"].variant) == (7, "specified in RFC 4122")
        # The clock that made the id may have ticked since in no more than its own unit.
        assert row["event_id"].int >> 80 == int(row["event_time"].timestamp() * 1000)


async def test_changes_of_many_writers_at_once_are_all_told(service: Service) -> None:
    async with service.client() as client:
        created = await asyncio.gather(
            *(
                client.create_key(f"key {n}", account_id=service.account.account_id)
                for n in range(20)
            )
        )
        await asyncio.gather(*(client.revoke_key(key_id=one.key.key_id) for one in created))

    told = [
        (event.target.target_id, event.action.rpartition("/")[2])
        for event in await events_of(service, actor_id=(await key_of_caller(service)).actor_id)
        if event.target
    ]

    assert sorted(told) == sorted(
        (one.key.key_id, action) for one in created for action in ("CreateKey", "RevokeKey")
    )


async def test_an_origin_of_odd_characters_does_not_stand_in_the_way(service: Service) -> None:
    origin = Origin(ORIGIN.actor_kind, 'a "quoted" \\ action', "o'neil; DROP TABLE", "\n☃")

    async def rename(connection: Connection) -> None:
        await connection.execute(
            "UPDATE authsvc.accounts SET display_name = 'renamed' WHERE is_system"
        )

    await service.parts.database.change(origin, rename, app.time_limit())

    event = (await rows_of(service))[-1]
    assert (event["action"], event["actor_id"], event["actor_account_id"]) == (
        origin.action,
        origin.actor_id,
        origin.actor_account_id,
    )


async def test_a_role_that_may_not_write_to_the_log_is_audited_all_the_same(
    service: Service,
) -> None:
    role = f"authsvc_narrow_{fresh_name()[4:]}"
    async with connected(url_of(service)) as connection:
        await connection.execute(f"CREATE ROLE {role}")
        try:
            await connection.execute(f"GRANT USAGE ON SCHEMA authsvc TO {role}")
            await connection.execute(f"GRANT SELECT, UPDATE ON authsvc.accounts TO {role}")
            await connection.execute(f"GRANT SELECT, INSERT ON authsvc.changes TO {role}")
            await connection.execute(f"SET ROLE {role}")
            await connection.execute("UPDATE authsvc.accounts SET display_name = 'x'")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(
                    "SELECT authsvc.append_audit_event('{}', '', '', '', 'OK', NULL, NULL)"
                )
        finally:
            await connection.execute("RESET ROLE")
            await connection.execute(f"DROP OWNED BY {role}")
            await connection.execute(f"DROP ROLE {role}")

    event = (await rows_of(service))[-1]
    assert (event["action"], event["after"]) == (
        "UPDATE authsvc.accounts",
        '{"display_name": "x"}',
    )


async def test_without_the_log_and_with_it_anew_accounts_are_as_they_were(
    empty_database_url: str,
) -> None:
    insert = "INSERT INTO authsvc.accounts VALUES ($1, 'x', 'ACTIVE', now(), false)"
    await schema.migrate(empty_database_url)
    async with connected(empty_database_url) as connection:
        await connection.execute(insert, "acct_1")

    await schema.migrate(empty_database_url, "0003")
    async with connected(empty_database_url) as connection:
        await connection.execute(insert, "acct_2")
    await schema.migrate(empty_database_url)

    async with connected(empty_database_url) as connection:
        await connection.execute(insert, "acct_3")
        accounts = await connection.fetch("SELECT account_id FROM authsvc.accounts ORDER BY 1")
        told = await connection.fetch("SELECT target_id FROM authsvc.audit_events")
    assert [row[0] for row in accounts] == ["acct_1", "acct_2", "acct_3"]
    assert [row[0] for row in told] == ["acct_3"]
