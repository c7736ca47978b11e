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

# With the rights of its owner, so that the service's role needs none to make or drop tables.
# The months go last: dropping one locks the parent until the end.
_MAINTAIN = """
CREATE FUNCTION authsvc.maintain_usage(retention interval) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET lock_timeout = '500ms' AS $$
DECLARE
    cutoff timestamptz := now() - retention;
    expired regclass;
BEGIN
    IF retention IS NULL OR retention < interval '1 day' THEN
        RAISE EXCEPTION 'usage is kept for a day at least' USING ERRCODE = '22023';
    END IF;
    IF NOT pg_try_advisory_xact_lock(107157092040707) THEN
        RETURN;
    END IF;
    FOR months IN 0..2 LOOP
        PERFORM authsvc.add_usage_month(
            (date_trunc('month', now()) + make_interval(months => months))::date);
    END LOOP;
    DELETE FROM authsvc.usage_writers WHERE write_time < now() - interval '7 days';
    DELETE FROM authsvc.key_sources WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM authsvc.key_sources WHERE last_seen_time < cutoff
         LIMIT 100000 FOR UPDATE SKIP LOCKED));
    DELETE FROM authsvc.key_usage_default WHERE hour < cutoff;
    DELETE FROM authsvc.account_usage_default WHERE hour < cutoff;
    FOR expired IN
        SELECT inhrelid::regclass FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent IN ('authsvc.key_usage'::regclass, 'authsvc.account_usage'::regclass)
           AND relname ~ '_usage_[0-9]{4}_[0-9]{2}$'
           AND to_date(right(relname, 7), 'YYYY_MM') + interval '1 month' <= cutoff
         ORDER BY relname
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE %s', expired);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            -- Somebody was reading or writing for long: another time.
            NULL;
        END;
    END LOOP;
END
$$
"""

_UPGRADE = (
    "ALTER TABLE authsvc.key_usage RENAME TO key_usage_before",
    "ALTER INDEX authsvc.key_usage_pkey RENAME TO key_usage_before_pkey",
    *_PARTITIONED,
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
    _MAINTAIN,
    # Whoever may use the schema could else cut the history short.
    "REVOKE ALL ON FUNCTION authsvc.maintain_usage, authsvc.add_usage_month FROM PUBLIC",
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
        PERFORM authsvc.maintain_usage(interval '1000 years');
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
    "DROP FUNCTION authsvc.maintain_usage, authsvc.add_usage_month",
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
    "INSERT INTO authsvc.key_usage SELECT * FROM authsvc.key_usage_after",
    "DROP TABLE authsvc.key_usage_after",
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back. Usage of accounts, client addresses and callers is lost."""
    for statement in _DOWNGRADE:
        op.execute(statement)
