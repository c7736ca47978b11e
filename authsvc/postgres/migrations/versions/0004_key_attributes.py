"""From where a key may be used, and how often."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LOGGED = (
    "key_id, account_id, name, digest, scopes, metadata, expire_time, disabled, revoke_time, "
    "superseded_by"
)


def _triggers(columns: str) -> tuple[str, ...]:
    return (
        "DROP TRIGGER keys_log_change ON authsvc.keys",
        "DROP TRIGGER keys_lock_changes ON authsvc.keys",
        f"""
        CREATE TRIGGER keys_log_change BEFORE INSERT OR DELETE OR UPDATE OF {columns}
        ON authsvc.keys FOR EACH ROW EXECUTE FUNCTION authsvc.log_key_change()
        """,
        f"""
        CREATE TRIGGER keys_lock_changes BEFORE INSERT OR DELETE OR UPDATE OF {columns}
        ON authsvc.keys FOR EACH STATEMENT EXECUTE FUNCTION authsvc.lock_changes()
        """,
    )


_UPGRADE = (
    """
    ALTER TABLE authsvc.keys
        ADD COLUMN allowed_addresses text[] NOT NULL DEFAULT '{}'
            CHECK (cardinality(allowed_addresses) <= 100
                   AND array_position(allowed_addresses, NULL) IS NULL),
        ADD COLUMN rate_limit_requests integer
            CHECK (rate_limit_requests BETWEEN 1 AND 1000000),
        ADD COLUMN rate_limit_seconds integer CHECK (rate_limit_seconds BETWEEN 1 AND 86400),
        ADD CONSTRAINT keys_rate_limit_whole
            CHECK ((rate_limit_requests IS NULL) = (rate_limit_seconds IS NULL))
    """,
    *_triggers(f"{_LOGGED}, allowed_addresses, rate_limit_requests, rate_limit_seconds"),
)

_DOWNGRADE = (
    # Without its rules a key would be good from anywhere, so it is switched off instead.
    """
    UPDATE authsvc.keys SET disabled = true
     WHERE cardinality(allowed_addresses) > 0 AND revoke_time IS NULL AND NOT disabled
    """,
    *_triggers(_LOGGED),
    """
    ALTER TABLE authsvc.keys DROP COLUMN allowed_addresses, DROP COLUMN rate_limit_requests,
                             DROP COLUMN rate_limit_seconds
    """,
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back. Keys for certain addresses only are disabled; rate limits are lost."""
    for statement in _DOWNGRADE:
        op.execute(statement)
