"""The change log is written with its owner's rights, whoever makes a change."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A role that may change keys can then neither forge a line of the log nor, for lack of a right on
# it, be kept from changing them.
_FUNCTIONS = ("log_key_change", "log_account_change", "log_user_change", "log_session_end")


def upgrade() -> None:
    """Go forward."""
    for function in _FUNCTIONS:
        op.execute(
            f"ALTER FUNCTION authsvc.{function}() SECURITY DEFINER"
            " SET search_path = pg_catalog, pg_temp"
        )


def downgrade() -> None:
    """Go back."""
    for function in _FUNCTIONS:
        op.execute(f"ALTER FUNCTION authsvc.{function}() SECURITY INVOKER RESET search_path")
