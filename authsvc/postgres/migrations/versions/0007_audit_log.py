"""The audit log, and the triggers that write changes to it."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UPGRADE = (
    # RFC 9562: 48 bits of milliseconds, the version, and what gen_random_uuid has drawn.
    """
    CREATE FUNCTION authsvc.uuid_v7(at timestamptz) RETURNS uuid LANGUAGE sql AS $$
        SELECT encode(set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    PLACING substring(int8send(floor(extract(epoch FROM at) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6),
            52, 1), 53, 1), 'hex')::uuid
    $$
    """,
    """
    CREATE TABLE authsvc.audit_events (
        event_time       timestamptz NOT NULL,
        event_id         uuid NOT NULL,
        actor_kind       text NOT NULL,
        actor_id         text COLLATE "C" NOT NULL,
        actor_account_id text COLLATE "C" NOT NULL,
        action           text COLLATE "C" NOT NULL,
        target_kind      text NOT NULL,
        target_id        text COLLATE "C" NOT NULL,
        account_id       text COLLATE "C" NOT NULL,
        request_id       text NOT NULL,
        address          text NOT NULL,
        outcome          text NOT NULL,
        before           jsonb,
        after            jsonb,
        PRIMARY KEY (event_time, event_id)
    ) PARTITION BY RANGE (event_time)
    """,
    """
    CREATE INDEX audit_events_of_account ON authsvc.audit_events (account_id, event_time, event_id)
    """,
    "CREATE INDEX audit_events_of_actor ON authsvc.audit_events (actor_id, event_time, event_id)",
    "CREATE INDEX audit_events_of_target ON authsvc.audit_events (target_id, event_time, event_id)",
    # In other words than the next one, so that the planner does not walk through the refusals of
    # all accounts for those of one: it knows not how many of them are whose.
    """
    CREATE INDEX audit_events_denied ON authsvc.audit_events (event_time, event_id)
     WHERE (outcome = 'OK') IS NOT TRUE
    """,
    """
    CREATE INDEX audit_events_denied_of_account
        ON authsvc.audit_events (account_id, event_time, event_id) WHERE outcome <> 'OK'
    """,
    # By what follows the slash in the name of a method; other names are whole.
    """
    CREATE INDEX audit_events_of_action
        ON authsvc.audit_events (split_part(action, '/', -1), event_time, event_id)
    """,
    # To add, and never to change or to delete.
    "SELECT authsvc.grant_to_servers('SELECT, INSERT', 'authsvc.audit_events')",
    # For what no month was made, lest a change fail because of its audit.
    "CREATE TABLE authsvc.audit_events_default PARTITION OF authsvc.audit_events DEFAULT",
    """
    CREATE FUNCTION authsvc.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log is only ever added to: % is refused', TG_OP
        USING HINT = 'Old months are dropped whole, as docs/audit.md tells.';
    END
    $$
    """,
    """
    CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON authsvc.audit_events
    FOR EACH ROW EXECUTE FUNCTION authsvc.refuse_audit_change()
    """,
    # Unlike that one, a trigger of statements is not passed on to partitions.
    """
    CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON authsvc.audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION authsvc.refuse_audit_change()
    """,
    """
    CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON authsvc.audit_events_default
    FOR EACH STATEMENT EXECUTE FUNCTION authsvc.refuse_audit_change()
    """,
    # A month is attached and not created in its place: that would lock out writers and readers.
    """
    CREATE FUNCTION authsvc.maintain_audit() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '500ms' AS $$
    DECLARE
        month timestamptz;
        name text;
    BEGIN
        IF NOT pg_try_advisory_xact_lock(107157092040711) THEN
            RETURN;
        END IF;
        FOR ahead IN 0..2 LOOP
            month := date_trunc('month', clock_timestamp()) + make_interval(months => ahead);
            name := to_char(month, '"audit_events_"YYYY"_"MM');
            CONTINUE WHEN to_regclass(format('authsvc.%I', name)) IS NOT NULL OR EXISTS (
                SELECT FROM authsvc.audit_events_default
                 WHERE event_time >= month AND event_time < month + interval '1 month');
            BEGIN
                EXECUTE format(
                    'CREATE TABLE authsvc.%I (LIKE authsvc.audit_events INCLUDING ALL)', name);
                EXECUTE format(
                    'CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON authsvc.%I '
                    'FOR EACH STATEMENT EXECUTE FUNCTION authsvc.refuse_audit_change()', name);
                EXECUTE format(
                    'ALTER TABLE authsvc.audit_events ATTACH PARTITION authsvc.%I '
                    'FOR VALUES FROM (%L) TO (%L)', name, month, month + interval '1 month');
            EXCEPTION
                WHEN check_violation THEN
                    -- An event of the month came in between: it stays in the default partition.
                    NULL;
                WHEN lock_not_available OR deadlock_detected THEN
                    -- Somebody reads for long, such as a back-up, and all others would have to wait
                    -- behind this: another time.
                    RETURN;
            END;
        END LOOP;
    END
    $$
    """,
    "SELECT authsvc.maintain_audit()",
    """
    CREATE FUNCTION authsvc.append_audit_event(
        origin jsonb, target_kind text, target_id text, account_id text, outcome text,
        before jsonb, after jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        now constant timestamptz := clock_timestamp();
    BEGIN
        INSERT INTO authsvc.audit_events VALUES (
            now, authsvc.uuid_v7(now), origin->>'actor_kind',
            coalesce(origin->>'actor_id', ''), coalesce(origin->>'actor_account_id', ''),
            coalesce(origin->>'action', ''), target_kind, target_id,
            coalesce(nullif(account_id, ''), origin->>'actor_account_id', ''),
            coalesce(origin->>'request_id', ''), coalesce(origin->>'address', ''),
            outcome, before, after);
    END
    $$
    """,
    # Its arguments: the kind of target, the column of its id, columns never to be shown, and
    # columns that are no management. Docs/adr/0010.
    """
    CREATE FUNCTION authsvc.audit_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    DECLARE
        hidden constant text[] := TG_ARGV[2];
        unaudited constant text[] := TG_ARGV[3];
        origin jsonb := nullif(current_setting('authsvc.origin', true), '');
        old_row jsonb;
        new_row jsonb;
        before jsonb;
        after jsonb;
    BEGIN
        IF origin IS NULL THEN
            origin := jsonb_build_object(
                'actor_kind', 'DATABASE', 'actor_id', session_user,
                'action', format('%s %I.%I', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
                'address', host(inet_client_addr()));
        END IF;
        IF TG_OP <> 'INSERT' THEN
            old_row := to_jsonb(OLD) - unaudited;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            new_row := to_jsonb(NEW) - unaudited;
        END IF;
        IF TG_OP = 'UPDATE' THEN
            SELECT jsonb_object_agg(
                       key, CASE WHEN key = ANY (hidden) THEN '"(hidden)"' ELSE o.value END),
                   jsonb_object_agg(
                       key, CASE WHEN key = ANY (hidden) THEN '"(hidden)"' ELSE n.value END)
              INTO before, after
              FROM jsonb_each(old_row) o JOIN jsonb_each(new_row) n USING (key)
             WHERE o.value <> n.value;
        ELSE
            before := jsonb_strip_nulls(old_row - hidden);
            after := jsonb_strip_nulls(new_row - hidden);
        END IF;
        new_row := coalesce(new_row, old_row);
        PERFORM authsvc.append_audit_event(
            origin, TG_ARGV[0], new_row->>TG_ARGV[1], coalesce(new_row->>'account_id', ''),
            'OK', before, after);
        RETURN NULL;
    END
    $$
    """,
    # Whoever could put it on a table of their own could write events of their own. A trigger that
    # is there already fires for everybody.
    "REVOKE ALL ON FUNCTION authsvc.audit_change FROM PUBLIC",
    # To be called again whenever the table gets a column: the trigger names those it fires for, so
    # that what is written often and is no management does not even reach the function.
    """
    CREATE FUNCTION authsvc.audit_table(
        audited regclass, kind text, id_column text, hidden text[], unaudited text[])
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE OF %s ON %s '
            'FOR EACH ROW EXECUTE FUNCTION authsvc.audit_change(%L, %L, %L, %L)',
            (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
              WHERE attrelid = audited AND attnum > 0 AND NOT attisdropped
                AND attname <> ALL (unaudited)),
            audited, kind, id_column, hidden, unaudited);
    END
    $$
    """,
    """
    SELECT authsvc.audit_table(
        'authsvc.keys', 'KEY', 'key_id', '{digest}', '{last_use_time,revision}')
    """,
    "SELECT authsvc.audit_table('authsvc.accounts', 'ACCOUNT', 'account_id', '{}', '{revision}')",
    """
    SELECT authsvc.audit_table(
        'authsvc.signing_keys', 'SIGNING_KEY', 'kid', '{sealed_private_key}', '{}')
    """,
)

_DOWNGRADE = (
    "DROP FUNCTION authsvc.audit_table",
    "DROP TRIGGER audit_change ON authsvc.signing_keys",
    "DROP TRIGGER audit_change ON authsvc.accounts",
    "DROP TRIGGER audit_change ON authsvc.keys",
    "DROP FUNCTION authsvc.audit_change, authsvc.append_audit_event, authsvc.maintain_audit",
    "DROP TABLE authsvc.audit_events",
    "DROP FUNCTION authsvc.refuse_audit_change, authsvc.uuid_v7",
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back. The audit log is lost."""
    for statement in _DOWNGRADE:
        op.execute(statement)
