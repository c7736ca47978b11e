"""Usage by months: migration 0006 with data, months made and dropped, two versions at once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from authsvc import app
from authsvc.config import Settings
from authsvc.postgres import recorded_usage, schema
from authsvc.postgres.recorded_usage import PostgresRecordedUsage
from tests.conftest import Service, execute, serving, settings_for
from tests.integration.support import a_server_role, connected, until, url_of
from tests.integration.support_fresh import served

BEFORE, AFTER = "0004", "0006"
PARENTS = ("account_usage", "key_usage")
# The whole statement of the version before this one.
ADD_BEFORE = """
WITH counted AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS c (key_id, outcome, count)
     ORDER BY key_id, outcome
), added AS (
    INSERT INTO authsvc.key_usage AS u (key_id, hour, outcome, count)
    SELECT key_id, $4::timestamptz, outcome, count FROM counted
        ON CONFLICT (key_id, hour, outcome) DO UPDATE SET count = u.count + excluded.count
)
UPDATE authsvc.keys SET last_use_time = $5
 WHERE key_id IN (
       SELECT key_id FROM authsvc.keys
        WHERE key_id IN (SELECT key_id FROM counted WHERE outcome = 'OK')
          AND (last_use_time IS NULL OR last_use_time < $5::timestamptz - interval '1 minute')
        ORDER BY key_id FOR NO KEY UPDATE SKIP LOCKED)
"""
NOW = datetime.now(UTC)
HOUR = NOW.replace(minute=0, second=0, microsecond=0)


class Rest:
    """A deadline that stays as far away as it is."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def remaining(self) -> float:
        return self.seconds


def month_name(parent: str, months_ahead: int = 0) -> str:
    number = NOW.year * 12 + NOW.month - 1 + months_ahead
    return f"{parent}_{number // 12:04}_{number % 12 + 1:02}"


async def months_of(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch(
        "SELECT relname FROM pg_class"
        " WHERE relispartition AND relkind = 'r' AND relname ~ '_usage_'"
    )
    return {row["relname"] for row in rows}


async def where_is(connection: asyncpg.Connection, parent: str = "key_usage") -> dict[str, int]:
    """Return the sum of counts in each partition."""
    rows = await connection.fetch(
        "SELECT tableoid::regclass::text AS part, sum(count)::bigint AS count"
        f" FROM authsvc.{parent} GROUP BY 1"
    )
    return {row["part"].removeprefix("authsvc."): row["count"] for row in rows}


async def count(
    connection: asyncpg.Connection, hour: datetime, number: int, key_id: str = "key_1"
) -> None:
    """Count as the version before does."""
    await connection.execute(ADD_BEFORE, [key_id], ["OK"], [number], hour, hour)


@pytest_asyncio.fixture(loop_scope="session")
async def before(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A database at the schema before, with two keys of an account."""
    await schema.migrate(empty_database_url, BEFORE)
    async with connected(empty_database_url) as connection:
        await connection.execute(
            "INSERT INTO authsvc.accounts VALUES ('acct_1', 'Example', 'ACTIVE', now(), false)"
        )
        for key_id in ("key_1", "key_2"):
            await connection.execute(
                "INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint,"
                " metadata, create_time) VALUES"
                " ($1, 'acct_1', $1, sha256($1::text::bytea), '{*}', '', '{}', now())",
                key_id,
            )
        yield connection


@pytest_asyncio.fixture(loop_scope="session")
async def recorded(settings: Settings) -> AsyncIterator[PostgresRecordedUsage]:
    """Recorded usage that no server keeps up meanwhile."""
    async with app.open_parts(settings) as parts:
        yield PostgresRecordedUsage(parts.database)


async def test_what_was_counted_before_is_kept_by_month_and_added_up_by_account(
    before: asyncpg.Connection, empty_database_url: str
) -> None:
    long_ago = HOUR - timedelta(days=100)
    for hour, number, key_id in (
        (long_ago, 1, "key_1"),
        (HOUR, 2, "key_1"),
        (HOUR, 4, "key_2"),
        (HOUR, 8, "key_gone"),
    ):
        await count(before, hour, number, key_id)

    await schema.migrate(empty_database_url, AFTER)

    assert await where_is(before) == {
        f"key_usage_{long_ago:%Y_%m}": 1,
        month_name("key_usage"): 14,
    }
    assert await where_is(before, "account_usage") == {
        f"account_usage_{long_ago:%Y_%m}": 1,
        month_name("account_usage"): 6,
    }
    await schema.migrate(empty_database_url, BEFORE)
    assert await where_is(before) == {"key_usage": 15}


async def test_the_version_before_goes_on_counting(
    before: asyncpg.Connection, empty_database_url: str
) -> None:
    statement = await before.prepare(ADD_BEFORE)
    await statement.fetch(["key_1"], ["OK"], [1], HOUR, NOW)

    await schema.migrate(empty_database_url, AFTER)
    for number in (2, 4):
        await statement.fetch(["key_1"], ["OK"], [number], HOUR, NOW)

    assert await where_is(before) == {month_name("key_usage"): 7}
    assert (
        await before.fetchval("SELECT last_use_time FROM authsvc.keys WHERE key_id = 'key_1'")
        == NOW
    )


async def test_there_is_room_for_this_month_and_the_next_two(service: Service) -> None:
    async with connected(url_of(service)) as connection:
        assert await months_of(connection) == {f"{parent}_default" for parent in PARENTS} | {
            month_name(parent, ahead) for parent in PARENTS for ahead in range(3)
        }


async def test_a_month_without_a_table_is_counted_all_the_same(
    recorded: PostgresRecordedUsage, database_url: str
) -> None:
    far = HOUR + timedelta(days=200)
    async with connected(database_url) as connection:
        await connection.execute(f"DROP TABLE authsvc.{month_name('key_usage', 2)}")
        await connection.execute(f"DROP TABLE authsvc.{month_name('key_usage', 1)}")
        in_two_months = await connection.fetchval("SELECT date_trunc('month', now()) + '65 days'")
        await count(connection, far, 1)
        await count(connection, in_two_months, 2)

        await recorded.maintain(timedelta(days=400), app.time_limit())

        # The one that has rows elsewhere is left there; the other one is made again.
        months = await months_of(connection)
        assert month_name("key_usage", 1) in months
        assert month_name("key_usage", 2) not in months
        assert await where_is(connection) == {"key_usage_default": 3}


async def test_what_is_past_retention_goes_month_by_month(
    recorded: PostgresRecordedUsage, database_url: str
) -> None:
    async with connected(database_url) as connection:
        for months_ago in (1, 2, 3):
            await connection.execute(
                "SELECT authsvc.add_usage_month("
                f" (date_trunc('month', now()) - interval '{months_ago} months')::date)"
            )
            await connection.execute(
                "INSERT INTO authsvc.account_usage"
                f" SELECT 'acct_1', date_trunc('month', now()) - interval '{months_ago} months',"
                " 'OK', 1"
            )
        await connection.execute(
            "INSERT INTO authsvc.key_usage VALUES ('key_1', now() - interval '3 years', 'OK', 1)"
        )
        await connection.execute(
            "INSERT INTO authsvc.key_sources VALUES"
            " ('key_1', 'ADDRESS', 'old', '2020-01-01', now() - interval '2 years', 1),"
            " ('key_1', 'ADDRESS', 'present', '2020-01-01', now(), 1)"
        )
        await connection.execute(
            "INSERT INTO authsvc.usage_writers VALUES ('old', 1, now() - interval '8 days'),"
            " ('present', 1, now() - interval '6 days')"
        )
        # The last month but one ended more than this ago, the last month less.
        retention = await connection.fetchval(
            "SELECT now() - (date_trunc('month', now(), 'UTC') - interval '1 month')"
        )

        await recorded.maintain(retention, app.time_limit())

        months = await months_of(connection)
        assert {month_name(parent, -1) for parent in PARENTS} <= months
        gone = {month_name(parent, -ago) for parent in PARENTS for ago in (2, 3)}
        assert not gone & months
        assert await where_is(connection) == {}
        assert set(await where_is(connection, "account_usage")) == {month_name("account_usage", -1)}
        for table, column in (("key_sources", "source"), ("usage_writers", "writer_id")):
            rows = await connection.fetch(f"SELECT {column} FROM authsvc.{table}")
            assert "old" not in {row[0] for row in rows}
            assert "present" in {row[0] for row in rows}


@pytest.mark.parametrize("retention", [timedelta(hours=23), timedelta(days=-1)])
async def test_no_mistake_removes_everything(
    recorded: PostgresRecordedUsage, retention: timedelta
) -> None:

    with pytest.raises(asyncpg.InvalidParameterValueError):
        await recorded.maintain(retention, app.time_limit())


async def test_the_past_goes_in_parts_and_all_of_it(
    recorded: PostgresRecordedUsage, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_usage, "_MOST_ROWS", 2)
    async with connected(database_url) as connection:
        await connection.execute(
            "INSERT INTO authsvc.key_sources"
            " SELECT 'key_1', 'ADDRESS', n::text, '2020-01-01', '2020-01-01', 1"
            "   FROM generate_series(1, 7) n"
        )
        remove_some = "SELECT authsvc.remove_past_usage('400 days', 2)"
        count_sources = "SELECT count(*) FROM authsvc.key_sources WHERE key_id = 'key_1'"

        assert await connection.fetchval(remove_some)
        assert await connection.fetchval(count_sources) == 5
        await recorded.maintain(timedelta(days=400), app.time_limit())
        assert await connection.fetchval(count_sources) == 0
        assert not await connection.fetchval(remove_some)


async def test_a_removal_that_fails_leaves_the_months_that_were_made(
    recorded: PostgresRecordedUsage, database_url: str
) -> None:
    await execute(database_url, f"DROP TABLE authsvc.{month_name('key_usage', 2)}")

    with pytest.raises(asyncpg.InvalidParameterValueError):
        await recorded.maintain(timedelta(0), app.time_limit())

    async with connected(database_url) as connection:
        assert month_name("key_usage", 2) in await months_of(connection)


async def test_a_removal_may_take_longer_than_the_statement_of_a_call(
    recorded: PostgresRecordedUsage, database_url: str
) -> None:
    async with connected(database_url) as connection:
        await connection.execute(
            "CREATE TABLE authsvc.seen_limits (value text);"
            "CREATE FUNCTION authsvc.note_limit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " INSERT INTO authsvc.seen_limits VALUES (current_setting('statement_timeout'));"
            " RETURN OLD; END $$;"
            "CREATE TRIGGER note_limit BEFORE DELETE ON authsvc.key_sources"
            " FOR EACH ROW EXECUTE FUNCTION authsvc.note_limit();"
            "INSERT INTO authsvc.key_sources"
            " VALUES ('key_1', 'ADDRESS', 'old', '2020-01-01', '2020-01-01', 1)"
        )
        await recorded.maintain(timedelta(days=400), Rest(41.5))
        limits = [r[0] for r in await connection.fetch("SELECT value FROM authsvc.seen_limits")]

    assert limits == ["41500ms"]


async def test_several_processes_may_maintain_at_once(
    recorded: PostgresRecordedUsage, database_url: str
) -> None:
    await execute(database_url, *(f"DROP TABLE authsvc.{month_name(p, 2)}" for p in PARENTS))

    await asyncio.gather(
        *(recorded.maintain(timedelta(days=400), app.time_limit()) for _ in range(4))
    )

    async with connected(database_url) as connection:
        assert {month_name(parent, 2) for parent in PARENTS} <= await months_of(connection)


async def test_a_writer_that_takes_long_delays_a_drop_and_is_not_delayed_by_it(
    recorded: PostgresRecordedUsage,
    database_url: str,
) -> None:
    old = month_name("key_usage", -3)
    async with connected(database_url) as writer, connected(database_url) as connection:
        await connection.execute(
            "SELECT authsvc.add_usage_month("
            " (date_trunc('month', now()) - interval '3 months')::date)"
        )
        transaction = writer.transaction()
        await transaction.start()
        await count(writer, HOUR, 1)

        await recorded.maintain(timedelta(days=30), app.time_limit())
        assert old in await months_of(connection)
        await transaction.commit()
        await recorded.maintain(timedelta(days=30), app.time_limit())

        assert old not in await months_of(connection)
        assert sum((await where_is(connection)).values()) == 1


async def test_a_server_whose_role_may_make_no_tables_counts_and_makes_room(
    database_url: str,
) -> None:
    await execute(database_url, f"DROP TABLE authsvc.{month_name('key_usage', 2)}")
    async with (
        a_server_role(database_url) as url,
        served(url) as server,
        connected(database_url) as connection,
    ):
        key = await server.new_key()
        await server.client.check(key.secret)
        await server.service.parts.usage.flush(app.time_limit())

        assert (await server.client.get_key_usage(key.key_id)).granted_count == 1

        async def has_room() -> bool:
            return month_name("key_usage", 2) in await months_of(connection)

        await until(has_room)


@pytest.mark.parametrize(
    "statement",
    ["SELECT authsvc.make_usage_months()", "SELECT authsvc.remove_past_usage('400 days', 1)"],
)
async def test_only_those_who_were_allowed_to_maintain_usage(
    service: Service, statement: str
) -> None:
    role = f"authsvc_plain_{secrets.token_hex(4)}"
    await service.execute(f"CREATE ROLE {role}", f"GRANT USAGE ON SCHEMA authsvc TO {role}")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(f"SET ROLE {role}", statement)
    finally:
        await service.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_a_server_makes_room_when_it_starts(
    before: asyncpg.Connection, empty_database_url: str
) -> None:
    assert before
    await schema.migrate(empty_database_url)
    await execute(empty_database_url, *(f"DROP TABLE authsvc.{month_name(p, 2)}" for p in PARENTS))

    async with (
        serving(settings_for(empty_database_url)),
        connected(empty_database_url) as connection,
    ):

        async def has_room() -> bool:
            return {month_name(p, 2) for p in PARENTS} <= await months_of(connection)

        await until(has_room)
