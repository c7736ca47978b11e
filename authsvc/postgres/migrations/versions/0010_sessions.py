"""Sessions of the dashboard, their refresh tokens, and failures to log in."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_UPGRADE = (
    """
    CREATE TABLE authsvc.sessions (
        session_id        text COLLATE "C" PRIMARY KEY,
        user_id           text COLLATE "C" NOT NULL
                          REFERENCES authsvc.users ON DELETE CASCADE,
        account_id        text COLLATE "C" NOT NULL REFERENCES authsvc.accounts,
        user_agent        text NOT NULL CHECK (char_length(user_agent) <= 512),
        address           text NOT NULL,
        last_seen_address text NOT NULL,
        create_time       timestamptz NOT NULL,
        last_seen_time    timestamptz NOT NULL,
        idle_expire_time  timestamptz NOT NULL,
        expire_time       timestamptz NOT NULL,
        end_time          timestamptz,
        end_reason        text CHECK (
            end_reason IN ('REVOKED', 'PASSWORD_CHANGED', 'REFRESH_TOKEN_REUSED',
                           'USER_DISABLED', 'ACCOUNT_DISABLED')),
        revision          bigint NOT NULL DEFAULT 0,
        CHECK (idle_expire_time <= expire_time),
        CHECK ((end_time IS NULL) = (end_reason IS NULL))
    )
    """,
    "CREATE INDEX sessions_of_user ON authsvc.sessions (user_id, session_id)",
    # What housekeeping looks for.
    "CREATE INDEX sessions_past ON authsvc.sessions ((coalesce(end_time, idle_expire_time)))",
    """
    CREATE TABLE authsvc.refresh_tokens (
        digest             bytea PRIMARY KEY CHECK (length(digest) = 32),
        session_id         text COLLATE "C" NOT NULL
                           REFERENCES authsvc.sessions ON DELETE CASCADE,
        issue_time         timestamptz NOT NULL,
        use_time           timestamptz,
        sealed_answer      bytea,
        answer_delete_time timestamptz,
        CHECK ((sealed_answer IS NULL) = (answer_delete_time IS NULL)),
        CHECK (sealed_answer IS NULL OR use_time IS NOT NULL)
    )
    """,
    "CREATE INDEX refresh_tokens_of_session ON authsvc.refresh_tokens (session_id)",
    """
    CREATE INDEX refresh_tokens_answered ON authsvc.refresh_tokens (answer_delete_time)
     WHERE sealed_answer IS NOT NULL
    """,
    # Under keyed digests: which addresses were tried, by whom, is nobody's to read.
    """
    CREATE TABLE authsvc.login_failures (
        digest            bytea PRIMARY KEY CHECK (length(digest) = 32),
        failures          integer NOT NULL,
        last_failure_time timestamptz NOT NULL,
        delete_time       timestamptz NOT NULL
    )
    """,
    "CREATE INDEX login_failures_past ON authsvc.login_failures (delete_time)",
    """
    CREATE TABLE authsvc.login_networks (
        user_id         text COLLATE "C" NOT NULL REFERENCES authsvc.users ON DELETE CASCADE,
        network         text COLLATE "C" NOT NULL,
        last_login_time timestamptz NOT NULL,
        PRIMARY KEY (user_id, network)
    )
    """,
    "CREATE INDEX login_networks_past ON authsvc.login_networks (last_login_time)",
    *(
        f"SELECT authsvc.grant_to_servers('SELECT, INSERT, UPDATE, DELETE', 'authsvc.{table}')"
        for table in ("sessions", "refresh_tokens", "login_failures", "login_networks")
    ),
    # To a server of the version before, the user has changed: it drops no less than it must.
    """
    ALTER TABLE authsvc.changes ADD COLUMN session_id text COLLATE "C" NOT NULL DEFAULT ''
    """,
    """
    CREATE FUNCTION authsvc.log_session_end() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        new_revision bigint;
    BEGIN
        PERFORM pg_advisory_xact_lock(107157092040705);
        INSERT INTO authsvc.changes (kind, account_id, key_id, user_id, session_id)
        VALUES ('SESSION_REVOKED', OLD.account_id, '', OLD.user_id, OLD.session_id)
        RETURNING revision INTO new_revision;
        PERFORM pg_notify('authsvc_changes', '');
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        NEW.revision := new_revision;
        RETURN NEW;
    END
    $$
    """,
    # A refresh is no change that a validation must reflect: it sets other columns.
    """
    CREATE TRIGGER sessions_lock_changes BEFORE UPDATE OF end_time ON authsvc.sessions
    FOR EACH STATEMENT EXECUTE FUNCTION authsvc.lock_changes()
    """,
    """
    CREATE TRIGGER sessions_log_end BEFORE UPDATE OF end_time ON authsvc.sessions
    FOR EACH ROW EXECUTE FUNCTION authsvc.log_session_end()
    """,
    """
    CREATE TRIGGER sessions_log_deletion BEFORE DELETE ON authsvc.sessions FOR EACH ROW
    WHEN (OLD.end_time IS NULL AND OLD.idle_expire_time > clock_timestamp())
    EXECUTE FUNCTION authsvc.log_session_end()
    """,
    """
    CREATE TRIGGER sessions_refuse_truncate BEFORE TRUNCATE ON authsvc.sessions
    FOR EACH STATEMENT EXECUTE FUNCTION authsvc.refuse_truncate()
    """,
    # Not by audit_table: what housekeeping deletes is long over, and no news.
    """
    CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OF session_id, user_id, account_id,
        user_agent, address, create_time, expire_time, end_time, end_reason ON authsvc.sessions
    FOR EACH ROW EXECUTE FUNCTION authsvc.audit_change(
        'SESSION', 'session_id', '{}',
        '{last_seen_time,idle_expire_time,last_seen_address,revision}')
    """,
    """
    CREATE TRIGGER audit_deletion AFTER DELETE ON authsvc.sessions FOR EACH ROW
    WHEN (OLD.end_time IS NULL AND OLD.idle_expire_time > clock_timestamp())
    EXECUTE FUNCTION authsvc.audit_change(
        'SESSION', 'session_id', '{}',
        '{last_seen_time,idle_expire_time,last_seen_address,revision}')
    """,
)

_DOWNGRADE = (
    "DROP TABLE authsvc.login_networks, authsvc.login_failures",
    "DROP TABLE authsvc.refresh_tokens, authsvc.sessions",
    "DROP FUNCTION authsvc.log_session_end",
    "ALTER TABLE authsvc.changes DROP COLUMN session_id",
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back. All sessions are lost, and everybody logs in anew."""
    for statement in _DOWNGRADE:
        op.execute(statement)
