"""Every `AUTHSVC_*` setting of the server, typed and bounded.

`authsvc.settings` declares them, a module for each area; `docs/configuration.md` is generated from
them by `authsvc config`.
"""

from __future__ import annotations

import os
from typing import Final

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from authsvc.config_values import check_database_url
from authsvc.settings.files import read_secret_files
from authsvc.settings.freshness import FreshnessSettings
from authsvc.settings.limits import LimitSettings
from authsvc.settings.mutual_tls import MutualTlsSettings
from authsvc.settings.running import RunningSettings
from authsvc.settings.serving import ServingSettings
from authsvc.settings.tokens import TokenSettings
from authsvc.settings.traffic import TrafficSettings

PREFIX: Final = "AUTHSVC_"
SECRETS: Final = ("database_url", "encryption_key", "encryption_key_previous", "rate_limit_store")
"""The settings that may stand in files; docs/configuration.md says how."""


class Settings(
    RunningSettings,
    LimitSettings,
    TrafficSettings,
    FreshnessSettings,
    TokenSettings,
    MutualTlsSettings,
    ServingSettings,
):
    """The server's settings, read from the environment. Those of the last base come first."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )


class InvalidSettings(Exception):
    """Some settings are missing or wrong; `problems` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        """Carry the lines."""
        super().__init__("\n".join(problems))
        self.problems = problems


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment, secrets from the files that it names.

    Args:
        overrides: Settings by name that take precedence over the environment.

    Raises:
        InvalidSettings: With every bad setting at once; it repeats no values.
    """
    read, unread = read_secret_files(
        (variable_of(name) for name in SECRETS if name not in overrides), os.environ
    )
    secrets = {name: read[variable_of(name)] for name in SECRETS if variable_of(name) in read}
    problems = list(unread.values())
    try:
        settings = Settings(**(secrets | overrides))  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as error:
        problems += [
            line
            for detail in error.errors()
            # What stands in a file that cannot be read is not missing as well.
            if not detail["loc"] or variable_of(str(detail["loc"][0])) not in unread
            for line in _problem(detail)
        ]
        raise InvalidSettings(problems) from None
    if problems:
        raise InvalidSettings(problems)
    return settings


def variable_of(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{name}".upper()


def problems_of(variable: str, text: str) -> list[str]:
    """Return what a text says is wrong with what a variable names, one line for each thing."""
    return [f"{variable}: {line}" for line in text.splitlines()]


def load_database_url() -> str:
    """Read the one setting that commands on the bare database need.

    Raises:
        InvalidSettings: It is missing or wrong; the error does not repeat it.
    """
    name = variable_of("database_url")
    read, unread = read_secret_files([name], os.environ)
    if unread:
        raise InvalidSettings(list(unread.values()))
    url = read.get(name) or os.environ.get(name, "")
    if not url:
        raise InvalidSettings([f"{name}: is required"])
    try:
        return check_database_url(SecretStr(url)).get_secret_value()
    except ValueError as error:
        raise InvalidSettings([f"{name}: {error}"]) from None


def _problem(detail: object) -> list[str]:
    """Return one line for each thing that is wrong with a setting."""
    location, message = detail["loc"], str(detail["msg"]).removeprefix("Value error, ")  # type: ignore[index] # an ErrorDetails
    if not location:
        return [message]
    name = variable_of(str(location[0]))
    return problems_of(name, "is required" if message == "Field required" else message)
