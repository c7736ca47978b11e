"""Accounts, API keys, the change log, usage and the keyring."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_UPGRADE = (
    # Ids are compared byte by byte, so that they sort the same under every database locale.
    """
    CREATE TABLE authsvc.accounts (
        account_id   text COLLATE "C" PRIMARY KEY,
        display_name text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 100),
        state        text NOT NULL CHECK (state IN ('ACTIVE', 'DISABLED')),
        create_time  timestamptz NOT NULL,
        is_system    boolean NOT NULL,
        revision     bigint NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX accounts_one_system ON authsvc.accounts (is_system) WHERE is_system",
    """
    CREATE TABLE authsvc.keys (
        key_id        text COLLATE "C" PRIMARY KEY,
        account_id    text COLLATE "C" NOT NULL
                      CONSTRAINT keys_account_id_fkey REFERENCES authsvc.accounts,
        name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
        digest        bytea NOT NULL CONSTRAINT keys_digest UNIQUE
                      CHECK (octet_length(digest) = 32),
        scopes        text[] NOT NULL CHECK (cardinality(scopes) > 0),
        hint          text NOT NULL,
        metadata      jsonb NOT NULL,
        create_time   timestamptz NOT NULL,
        expire_time   timestamptz,
        disabled      boolean NOT NULL DEFAULT false,
        revoke_time   timestamptz,
        revoke_reason text NOT NULL DEFAULT 'UNSPECIFIED' CHECK (revoke_reason IN (
                          'UNSPECIFIED', 'COMPROMISED', 'SUPERSEDED', 'NO_LONGER_USED',
                          'PRIVILEGE_WITHDRAWN')),
        revoke_note   text NOT NULL DEFAULT '',
        last_use_time timestamptz,
        revision      bigint NOT NULL
    )
    """,
    """
    CREATE UNIQUE INDEX keys_live_name ON authsvc.keys (account_id, name)
     WHERE revoke_time IS NULL
    """,
    """
    CREATE TABLE authsvc.changes (
        revision    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind        text NOT NULL,
        account_id  text COLLATE "C" NOT NULL,
        key_id      text COLLATE "C" NOT NULL,
        change_time timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    # How far the log has been cut off at its old end: one row.
    "CREATE TABLE authsvc.change_log (pruned_through bigint NOT NULL)",
    "INSERT INTO authsvc.change_log VALUES (0)",
    # Numbers become visible in their order: docs/adr/0005. The lock's number is fixed for ever.
    """
    CREATE FUNCTION authsvc.append_change(kind text, account_id text, key_id text)
    RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        new_revision bigint;
    BEGIN
        PERFORM pg_advisory_xact_lock(107157092040705);
        INSERT INTO authsvc.changes (kind, account_id, key_id)
        VALUES (append_change.kind, append_change.account_id, append_change.key_id)
        RETURNING revision INTO new_revision;
        PERFORM pg_notify('authsvc_changes', '');
        RETURN new_revision;
    END
    $$
    """,
    # Before any row is locked: a change of many rows would else hold the lock and wait for a row
    # whose holder waits for the lock.
    """
    CREATE FUNCTION authsvc.lock_changes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(107157092040705);
        RETURN NULL;
    END
    $$
    """,
    # Triggers, so that no change goes unlogged, not even one made by hand in psql.
    """
    CREATE FUNCTION authsvc.log_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            PERFORM authsvc.append_change('KEY_CHANGED', OLD.account_id, OLD.key_id);
            RETURN OLD;
        END IF;
        NEW.revision := authsvc.append_change(
            CASE WHEN TG_OP = 'INSERT' THEN 'KEY_CREATED'
                 WHEN NEW.revoke_time IS NOT NULL THEN 'KEY_REVOKED'
                 ELSE 'KEY_CHANGED' END,
            NEW.account_id, NEW.key_id);
        RETURN NEW;
    END
    $$
    """,
    """
    CREATE TRIGGER keys_log_change
    BEFORE INSERT OR DELETE OR UPDATE OF
           key_id, account_id, name, digest, scopes, metadata, expire_time, disabled, revoke_time
    ON authsvc.keys FOR EACH ROW EXECUTE FUNCTION authsvc.log_key_change()
    """,
    """
    CREATE TRIGGER keys_lock_changes
    BEFORE INSERT OR DELETE OR UPDATE OF
           key_id, account_id, name, digest, scopes, metadata, expire_time, disabled, revoke_time
    ON authsvc.keys FOR EACH STATEMENT EXECUTE FUNCTION authsvc.lock_changes()
    """,
    """
    CREATE FUNCTION authsvc.log_account_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            PERFORM authsvc.append_change('ACCOUNT_CHANGED', OLD.account_id, '');
            RETURN OLD;
        END IF;
        NEW.revision := authsvc.append_change(
            CASE WHEN TG_OP = 'INSERT' THEN 'ACCOUNT_CREATED' ELSE 'ACCOUNT_CHANGED' END,
            NEW.account_id, '');
        RETURN NEW;
    END
    $$
    """,
    """
    CREATE TRIGGER accounts_log_change
    BEFORE INSERT OR DELETE OR UPDATE OF account_id, state, is_system
    ON authsvc.accounts FOR EACH ROW EXECUTE FUNCTION authsvc.log_account_change()
    """,
    """
    CREATE TRIGGER accounts_lock_changes
    BEFORE INSERT OR DELETE OR UPDATE OF account_id, state, is_system
    ON authsvc.accounts FOR EACH STATEMENT EXECUTE FUNCTION authsvc.lock_changes()
    """,
    # TRUNCATE fires no trigger for a row, so nobody would hear of it.
    """
    CREATE FUNCTION authsvc.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'use DELETE: TRUNCATE would not be logged';
    END
    $$
    """,
    """
    CREATE TRIGGER keys_refuse_truncate BEFORE TRUNCATE ON authsvc.keys
    FOR EACH STATEMENT EXECUTE FUNCTION authsvc.refuse_truncate()
    """,
    """
    CREATE TRIGGER accounts_refuse_truncate BEFORE TRUNCATE ON authsvc.accounts
    FOR EACH STATEMENT EXECUTE FUNCTION authsvc.refuse_truncate()
    """,
    """
    CREATE TABLE authsvc.key_usage (
        key_id  text COLLATE "C" NOT NULL,
        hour    timestamptz NOT NULL,
        outcome text NOT NULL,
        count   bigint NOT NULL,
        PRIMARY KEY (key_id, hour, outcome)
    )
    """,
    """
    CREATE TABLE authsvc.signing_keys (
        kid                text PRIMARY KEY,
        algorithm          text NOT NULL CHECK (algorithm IN ('ES256', 'HS256', 'RS256', 'EdDSA')),
        public_key         bytea CHECK ((public_key IS NULL) = (algorithm = 'HS256')),
        sealed_private_key bytea NOT NULL,
        create_time        timestamptz NOT NULL
    )
    """,
)

_DOWNGRADE = (
    "DROP TABLE authsvc.signing_keys",
    "DROP TABLE authsvc.key_usage",
    "DROP TABLE authsvc.keys",
    "DROP TABLE authsvc.accounts",
    "DROP FUNCTION authsvc.log_key_change, authsvc.log_account_change, authsvc.lock_changes",
    "DROP FUNCTION authsvc.append_change, authsvc.refuse_truncate",
    "DROP TABLE authsvc.change_log",
    "DROP TABLE authsvc.changes",
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back. All keys and accounts are lost."""
    for statement in _DOWNGRADE:
        op.execute(statement)
