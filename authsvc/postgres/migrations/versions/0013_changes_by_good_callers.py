"""The beginning of every change, changes of the keyring, the sessions of disabled accounts."""

from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

_UPGRADE = (
    # One round trip for what every change begins with. What it reads of the actor it reads with the
    # lock in hand: as the function is volatile, each of its statements sees what was committed
    # before that statement, and not before the call of the function.
    """
    CREATE FUNCTION authsvc.begin_change(
        origin jsonb, OUT ended text, OUT scopes text[], OUT role text)
    LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        PERFORM set_config('authsvc.origin', origin::text, true);
        PERFORM pg_advisory_xact_lock(107157092040705);
        IF origin->>'actor_kind' = 'KEY' THEN
            SELECT CASE WHEN k.revoke_time IS NOT NULL THEN 'KEY_REVOKED'
                        WHEN k.disabled THEN 'KEY_DISABLED' END,
                   k.scopes
              INTO ended, scopes
              FROM authsvc.keys k WHERE k.key_id = origin->>'actor_id';
        ELSIF origin->>'actor_kind' = 'USER' THEN
            SELECT CASE WHEN u.disabled THEN 'TOKEN_REVOKED' END, u.role
              INTO ended, role
              FROM authsvc.users u WHERE u.user_id = origin->>'actor_id';
            IF origin->>'actor_session_id' <> '' AND NOT EXISTS (
                SELECT FROM authsvc.sessions s
                 WHERE s.session_id = origin->>'actor_session_id' AND s.end_time IS NULL)
            THEN
                ended := 'TOKEN_REVOKED';
            END IF;
        ELSE
            RETURN;
        END IF;
        IF ended IS NULL AND EXISTS (
            SELECT FROM authsvc.accounts a
             WHERE a.account_id = origin->>'actor_account_id' AND a.state = 'DISABLED')
        THEN
            ended := 'ACCOUNT_DISABLED';
        END IF;
    END
    $$
    """,
    # For the sessions that a disabled account has left: almost always none.
    """
    CREATE INDEX sessions_live_of_account ON authsvc.sessions (account_id) WHERE end_time IS NULL
    """,
    "CREATE INDEX accounts_disabled ON authsvc.accounts (account_id) WHERE state = 'DISABLED'",
    # With its owner's rights, as all that write the change log. A server of the version before
    # takes it for the change of an account, which nobody has.
    """
    CREATE FUNCTION authsvc.log_keyring_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        PERFORM authsvc.append_change('KEYRING_CHANGED', 'keyring', '');
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER signing_keys_log_change
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON authsvc.signing_keys
    FOR EACH STATEMENT EXECUTE FUNCTION authsvc.log_keyring_change()
    """,
)

_DOWNGRADE = (
    "DROP INDEX authsvc.accounts_disabled, authsvc.sessions_live_of_account",
    "DROP TRIGGER signing_keys_log_change ON authsvc.signing_keys",
    "DROP FUNCTION authsvc.log_keyring_change, authsvc.begin_change",
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back."""
    for statement in _DOWNGRADE:
        op.execute(statement)
