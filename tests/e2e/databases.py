"""What a service on a database of a test's own has set, and who may call it first."""

from __future__ import annotations

from dataclasses import dataclass

from tests.conftest import ENCRYPTION_KEY


def settings_on(database_url: str) -> dict[str, str]:
    """Return the settings of a service on a database."""
    return {"AUTHSVC_DATABASE_URL": database_url, "AUTHSVC_ENCRYPTION_KEY": ENCRYPTION_KEY}


@dataclass(frozen=True)
class Prepared:
    """A database that is migrated and bootstrapped."""

    settings: dict[str, str]
    admin_key: str

    @property
    def database_url(self) -> str:
        return self.settings["AUTHSVC_DATABASE_URL"]
