"""Accounts, API keys, the change log and the keyring."""

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
        is_system    boolean NOT NULL
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
        key_id      text COLLATE "C",
        change_time timestamptz NOT NULL DEFAULT clock_timestamp()
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
    "DROP TABLE authsvc.changes",
    "DROP TABLE authsvc.keys",
    "DROP TABLE authsvc.accounts",
)


def upgrade() -> None:
    """Go forward."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Go back. All keys and accounts are lost."""
    for statement in _DOWNGRADE:
        op.execute(statement)
