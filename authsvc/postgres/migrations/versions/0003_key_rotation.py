"""Successors of rotated keys, and answers to requests that may be repeated."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LOGGED = "key_id, account_id, name, digest, scopes, metadata, expire_time, disabled, revoke_time"


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
    ALTER TABLE authsvc.keys ADD COLUMN superseded_by text COLLATE "C",
                             ADD COLUMN supersedes text COLLATE "C"
    """,
    "CREATE UNIQUE INDEX keys_one_successor ON authsvc.keys (supersedes)",
    "DROP INDEX authsvc.keys_live_name",
    """
    CREATE UNIQUE INDEX keys_live_name ON authsvc.keys (account_id, name)
     WHERE revoke_time IS NULL AND superseded_by IS NULL
    """,
    *_triggers(f"{_LOGGED}, superseded_by"),
    # Nothing in it leads to a secret without the request id: docs/adr/0008.
    """
    CREATE TABLE authsvc.key_requests (
        digest        bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
        fingerprint   bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
        key_id        text COLLATE "C" NOT NULL,
        revision      bigint NOT NULL DEFAULT 0,
        sealed_secret bytea NOT NULL,
        delete_time   timestamptz NOT NULL
    )
    """,
    "CREATE INDEX key_requests_delete_time ON authsvc.key_requests (delete_time)",
)

_DOWNGRADE = (
    "DROP TABLE authsvc.key_requests",
    # A name is unique among all live keys again, so those with a successor end now.
    """
    UPDATE authsvc.keys SET revoke_time = now(), revoke_reason = 'SUPERSEDED'
     WHERE superseded_by IS NOT NULL AND revoke_time IS NULL
    """,
    *_triggers(_LOGGED),
    "DROP INDEX authsvc.keys_live_name",
    """
    CREATE UNIQUE INDEX keys_live_name ON authsvc.keys (account_id, name)
     WHERE revoke_time IS NULL
    """,
    "ALTER TABLE authsvc.keys DROP COLUMN superseded_by, DROP COLUMN supersedes",
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back. Rotated keys that still overlap end at once."""
    for statement in _DOWNGRADE:
        op.execute(statement)
