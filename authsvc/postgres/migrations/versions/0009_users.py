"""Users of accounts, in the change log too; a change of an account's name counts as a change."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Not `password_hash`: the same password at another cost is no change. `password_change_time` is.
_LOGGED = (
    "user_id, account_id, email, email_key, display_name, role, disabled, password_change_time"
)


def _account_triggers(columns: str) -> tuple[str, ...]:
    return (
        "DROP TRIGGER accounts_log_change ON authsvc.accounts",
        "DROP TRIGGER accounts_lock_changes ON authsvc.accounts",
        f"""
        CREATE TRIGGER accounts_log_change BEFORE INSERT OR DELETE OR UPDATE OF {columns}
        ON authsvc.accounts FOR EACH ROW EXECUTE FUNCTION authsvc.log_account_change()
        """,
        f"""
        CREATE TRIGGER accounts_lock_changes BEFORE INSERT OR DELETE OR UPDATE OF {columns}
        ON authsvc.accounts FOR EACH STATEMENT EXECUTE FUNCTION authsvc.lock_changes()
        """,
    )


_UPGRADE = (
    """
    CREATE TABLE authsvc.users (
        user_id              text COLLATE "C" PRIMARY KEY,
        account_id           text COLLATE "C" NOT NULL
                             CONSTRAINT users_account_id_fkey REFERENCES authsvc.accounts,
        email                text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 254),
        email_key            text COLLATE "C" NOT NULL CONSTRAINT users_email_key UNIQUE,
        display_name         text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 100),
        role                 text NOT NULL CHECK (role IN ('OWNER', 'MEMBER', 'VIEWER')),
        disabled             boolean NOT NULL DEFAULT false,
        password_hash        text,
        password_change_time timestamptz,
        create_time          timestamptz NOT NULL,
        last_login_time      timestamptz,
        revision             bigint NOT NULL,
        CHECK ((password_hash IS NULL) = (password_change_time IS NULL))
    )
    """,
    "SELECT authsvc.grant_to_servers('SELECT, INSERT, UPDATE, DELETE', 'authsvc.users')",
    "CREATE INDEX users_of_account ON authsvc.users (account_id, user_id)",
    # A server of the version before reads neither the column nor the new kinds: to it the account
    # has changed, so it drops more from memory than it must, and never less.
    """
    ALTER TABLE authsvc.changes ADD COLUMN user_id text COLLATE "C" NOT NULL DEFAULT ''
    """,
    """
    CREATE FUNCTION authsvc.append_user_change(kind text, account_id text, user_id text)
    RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        new_revision bigint;
    BEGIN
        PERFORM pg_advisory_xact_lock(107157092040705);
        INSERT INTO authsvc.changes (kind, account_id, key_id, user_id)
        VALUES (append_user_change.kind, append_user_change.account_id, '',
                append_user_change.user_id)
        RETURNING revision INTO new_revision;
        PERFORM pg_notify('authsvc_changes', '');
        RETURN new_revision;
    END
    $$
    """,
    """
    CREATE FUNCTION authsvc.log_user_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            PERFORM authsvc.append_user_change('USER_CHANGED', OLD.account_id, OLD.user_id);
            RETURN OLD;
        END IF;
        IF TG_OP = 'UPDATE' AND NEW.user_id <> OLD.user_id THEN
            PERFORM authsvc.append_user_change('USER_CHANGED', OLD.account_id, OLD.user_id);
        END IF;
        NEW.revision := authsvc.append_user_change(
            CASE WHEN TG_OP = 'INSERT' THEN 'USER_CREATED' ELSE 'USER_CHANGED' END,
            NEW.account_id, NEW.user_id);
        RETURN NEW;
    END
    $$
    """,
    f"""
    CREATE TRIGGER users_log_change BEFORE INSERT OR DELETE OR UPDATE OF {_LOGGED}
    ON authsvc.users FOR EACH ROW EXECUTE FUNCTION authsvc.log_user_change()
    """,
    f"""
    CREATE TRIGGER users_lock_changes BEFORE INSERT OR DELETE OR UPDATE OF {_LOGGED}
    ON authsvc.users FOR EACH STATEMENT EXECUTE FUNCTION authsvc.lock_changes()
    """,
    """
    CREATE TRIGGER users_refuse_truncate BEFORE TRUNCATE ON authsvc.users
    FOR EACH STATEMENT EXECUTE FUNCTION authsvc.refuse_truncate()
    """,
    # A password shows in the audit log by the time of its change alone, and not at all when it is
    # merely hashed anew.
    """
    SELECT authsvc.audit_table(
        'authsvc.users', 'USER', 'user_id', '{}',
        '{email_key,password_hash,last_login_time,revision}')
    """,
    # The etag of an account is its revision, so that a new name must give it another one.
    *_account_triggers("account_id, display_name, state, is_system"),
)

_DOWNGRADE = (
    *_account_triggers("account_id, state, is_system"),
    "DROP TABLE authsvc.users",
    "DROP FUNCTION authsvc.log_user_change, authsvc.append_user_change",
    "ALTER TABLE authsvc.changes DROP COLUMN user_id",
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back. All users are lost."""
    for statement in _DOWNGRADE:
        op.execute(statement)
