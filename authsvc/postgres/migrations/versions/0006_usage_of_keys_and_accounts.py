"""Usage by month, of accounts, by client address and caller; and writers that repeat safely."""

from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

_COUNTED = {"key_usage": "key_id", "account_usage": "account_id"}

# The columns and the primary key are those of before: servers of the version before go on writing.
# The default partition takes what there is no month for, so that no insert fails.
_PARTITIONED = tuple(
    statement
    for table, subject in _COUNTED.items()
    for statement in (
        f"""
        CREATE TABLE authsvc.{table} (
            {subject} text COLLATE "C" NOT NULL,
            hour      timestamptz NOT NULL,
            outcome   text NOT NULL,
            count     bigint NOT NULL,
            PRIMARY KEY ({subject}, hour, outcome)
        ) PARTITION BY RANGE (hour)
        """,
        f"CREATE TABLE authsvc.{table}_default PARTITION OF authsvc.{table} DEFAULT",
    )
)

# Made on the side and then attached, which waits for no writer and lets none wait, but for those of
# the default partition. A month that has rows there stays there.
_ADD_MONTH = """
CREATE FUNCTION authsvc.add_usage_month(month date) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET lock_timeout = '500ms' AS $$
DECLARE
    parent text;
    partition text;
    is_taken boolean;
BEGIN
    FOREACH parent IN ARRAY ARRAY['key_usage', 'account_usage'] LOOP
        partition := parent || to_char(month, '_YYYY_MM');
        CONTINUE WHEN to_regclass('authsvc.' || partition) IS NOT NULL;
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM authsvc.%I WHERE hour >= %L AND hour < %L)',
            parent || '_default', month::timestamptz, (month + interval '1 month')::timestamptz)
        INTO is_taken;
        CONTINUE WHEN is_taken;
        BEGIN
            EXECUTE format('CREATE TABLE authsvc.%I (LIKE authsvc.%I INCLUDING ALL)',
                partition, parent);
            EXECUTE format(
                'ALTER TABLE authsvc.%I ATTACH PARTITION authsvc.%I FOR VALUES FROM (%L) TO (%L)',
                parent, partition,
                month::timestamptz, (month + interval '1 month')::timestamptz);
        EXCEPTION WHEN lock_not_available OR deadlock_detected OR check_violation THEN
            -- Somebody was using the default partition: another time.
            NULL;
        END;
    END LOOP;
END
$$
"""

# Both with the rights of their owner, so that the service's role needs none to make or drop tables.
_MAKE_MONTHS = """
CREATE FUNCTION authsvc.make_usage_months() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(107157092040707) THEN
        RETURN;
    END IF;
    FOR months IN 0..2 LOOP
        PERFORM authsvc.add_usage_month(
            (date_trunc('month', now()) + make_interval(months => months))::date);
    END LOOP;
END
$$
"""

# A part of what is past, so that no statement takes long: a number of rows of each table, and one
# month, since dropping it locks its parent until the end. Tells whether there may be more.
#
# No index leads to old sources: each write of a source would have to change it, which a removal
# every few hours is not worth.
_REMOVE_PAST = """
CREATE FUNCTION authsvc.remove_past_usage(retention interval, most integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET lock_timeout = '500ms' AS $$
DECLARE
    cutoff timestamptz := now() - retention;
    past record;
    removed bigint;
    expired regclass;
    is_more boolean := false;
BEGIN
    IF retention IS NULL OR retention < interval '1 day' THEN
        RAISE EXCEPTION 'usage is kept for a day at least' USING ERRCODE = '22023';
    END IF;
    IF NOT pg_try_advisory_xact_lock(107157092040708) THEN
        RETURN false;
    END IF;
    FOR past IN
        VALUES ('usage_writers', 'write_time', now() - interval '7 days'),
               ('key_sources', 'last_seen_time', cutoff),
               ('key_usage_default', 'hour', cutoff),
               ('account_usage_default', 'hour', cutoff)
    LOOP
        EXECUTE format(
            'DELETE FROM authsvc.%1$I WHERE ctid = ANY (ARRAY('
            'SELECT ctid FROM authsvc.%1$I WHERE %2$I < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))',
            past.column1, past.column2)
        USING past.column3, most;
        GET DIAGNOSTICS removed = ROW_COUNT;
        is_more := is_more OR removed = most;
    END LOOP;
    FOR expired IN
        SELECT inhrelid::regclass FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent IN ('authsvc.key_usage'::regclass, 'authsvc.account_usage'::regclass)
           AND relname ~ '_usage_[0-9]{4}_[0-9]{2}$'
           AND to_date(right(relname, 7), 'YYYY_MM') + interval '1 month' <= cutoff
         ORDER BY relname
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE %s', expired);
            RETURN true;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            -- Somebody was reading or writing for long: another time.
            NULL;
        END;
    END LOOP;
    RETURN is_more;
END
$$
"""

# Kept for the revisions after this one: without it, servers whose role owns nothing could not use
# what a migration makes. A role of servers is one that may read, write and change keys. Others,
# such as one for reports, are given nothing new.
_GRANT_TO_SERVERS = """
CREATE FUNCTION authsvc.grant_to_servers(privileges text, object text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    server text;
BEGIN
    FOR server IN
        SELECT CASE WHEN p.grantee = 0 THEN 'PUBLIC' ELSE p.grantee::regrole::text END
          FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) AS p
         WHERE pg_class.oid = 'authsvc.keys'::regclass
         GROUP BY p.grantee
        HAVING array_agg(p.privilege_type) @> '{SELECT,INSERT,UPDATE}'
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s', privileges, object, server);
    END LOOP;
END
$$
"""

# What replaces a table is given the privileges of that table, whoever has them.
_GRANT_AS_BEFORE = """
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('GRANT %s ON authsvc.{table} TO %s', privilege_type,
                      CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
          FROM pg_class, aclexplode(relacl)
         WHERE pg_class.oid = 'authsvc.{before}'::regclass
    LOOP
        EXECUTE statement;
    END LOOP;
END
$$
"""

_UPKEEP = "authsvc.make_usage_months, authsvc.remove_past_usage"

_UPGRADE = (
    _GRANT_TO_SERVERS,
    "ALTER TABLE authsvc.key_usage RENAME TO key_usage_before",
    "ALTER INDEX authsvc.key_usage_pkey RENAME TO key_usage_before_pkey",
    *_PARTITIONED,
    _GRANT_AS_BEFORE.format(table="key_usage", before="key_usage_before"),
    # The hundred of each kind that were seen last. The source of a caller is its key; empty for the
    # service itself. Rows are updated all the time, in their own pages if there is room.
    """
    CREATE TABLE authsvc.key_sources (
        key_id          text COLLATE "C" NOT NULL,
        kind            text NOT NULL CHECK (kind IN ('ADDRESS', 'CALLER')),
        source          text COLLATE "C" NOT NULL,
        first_seen_time timestamptz NOT NULL,
        last_seen_time  timestamptz NOT NULL,
        count           bigint NOT NULL,
        PRIMARY KEY (key_id, kind, source)
    ) WITH (fillfactor = 80)
    """,
    # The latest batch that each process has written: a repeat of it does nothing.
    """
    CREATE TABLE authsvc.usage_writers (
        writer_id  text COLLATE "C" PRIMARY KEY,
        sequence   bigint NOT NULL,
        write_time timestamptz NOT NULL
    )
    """,
    _ADD_MONTH,
    _MAKE_MONTHS,
    _REMOVE_PAST,
    # Whoever may use the schema could else cut the history short.
    f"REVOKE ALL ON FUNCTION authsvc.add_usage_month, {_UPKEEP} FROM PUBLIC",
    f"SELECT authsvc.grant_to_servers('EXECUTE', 'FUNCTION {_UPKEEP}')",
    *(
        f"SELECT authsvc.grant_to_servers('SELECT, INSERT, UPDATE, DELETE', 'authsvc.{table}')"
        for table in ("account_usage", "key_sources", "usage_writers")
    ),
    """
    DO $$
    DECLARE
        month date := (SELECT date_trunc('month', min(hour) AT TIME ZONE 'UTC')
                         FROM authsvc.key_usage_before);
    BEGIN
        WHILE month <= now() AT TIME ZONE 'UTC' LOOP
            PERFORM authsvc.add_usage_month(month);
            month := month + interval '1 month';
        END LOOP;
        PERFORM authsvc.make_usage_months();
    END
    $$
    """,
    "INSERT INTO authsvc.key_usage SELECT * FROM authsvc.key_usage_before",
    """
    INSERT INTO authsvc.account_usage (account_id, hour, outcome, count)
    SELECT account_id, hour, outcome, sum(count)
      FROM authsvc.key_usage_before JOIN authsvc.keys USING (key_id)
     GROUP BY account_id, hour, outcome
    """,
    "DROP TABLE authsvc.key_usage_before",
)

_DOWNGRADE = (
    f"DROP FUNCTION authsvc.add_usage_month, {_UPKEEP}",
    "DROP TABLE authsvc.usage_writers",
    "DROP TABLE authsvc.key_sources",
    "DROP TABLE authsvc.account_usage",
    "ALTER TABLE authsvc.key_usage RENAME TO key_usage_after",
    "ALTER INDEX authsvc.key_usage_pkey RENAME TO key_usage_after_pkey",
    """
    CREATE TABLE authsvc.key_usage (
        key_id  text COLLATE "C" NOT NULL,
        hour    timestamptz NOT NULL,
        outcome text NOT NULL,
        count   bigint NOT NULL,
        PRIMARY KEY (key_id, hour, outcome)
    )
    """,
    _GRANT_AS_BEFORE.format(table="key_usage", before="key_usage_after"),
    "INSERT INTO authsvc.key_usage SELECT * FROM authsvc.key_usage_after",
    "DROP TABLE authsvc.key_usage_after",
    "DROP FUNCTION authsvc.grant_to_servers",
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back. Usage of accounts, client addresses and callers is lost."""
    for statement in _DOWNGRADE:
        op.execute(statement)
