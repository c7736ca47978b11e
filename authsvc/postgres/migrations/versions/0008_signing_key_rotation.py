"""When each signing key begins to sign."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_AUDIT = """
SELECT authsvc.audit_table(
    'authsvc.signing_keys', 'SIGNING_KEY', 'kid', '{sealed_private_key}', '{}')
"""

_UPGRADE = (
    "ALTER TABLE authsvc.signing_keys ADD COLUMN activate_time timestamptz",
    "UPDATE authsvc.signing_keys SET activate_time = create_time",
    # For the version before, which inserts a first key without it.
    """
    ALTER TABLE authsvc.signing_keys
          ALTER COLUMN activate_time SET DEFAULT now(),
          ALTER COLUMN activate_time SET NOT NULL
    """,
    _AUDIT,
)

_DOWNGRADE = (
    # It names the column, which could not be dropped.
    "DROP TRIGGER audit_change ON authsvc.signing_keys",
    "ALTER TABLE authsvc.signing_keys DROP COLUMN activate_time",
    _AUDIT,
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back. A key that does not sign yet begins at once."""
    for statement in _DOWNGRADE:
        op.execute(statement)
