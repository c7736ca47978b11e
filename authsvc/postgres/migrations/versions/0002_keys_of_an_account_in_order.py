"""An index that pages through the keys of an account."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.execute("CREATE INDEX keys_of_account ON authsvc.keys (account_id, key_id)")


def downgrade() -> None:
    """Go back. Nothing is lost."""
    op.execute("DROP INDEX authsvc.keys_of_account")
