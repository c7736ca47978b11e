"""Secrets that are mounted as files: `AUTHSVC_X_FILE` names the file that holds `AUTHSVC_X`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

_SUFFIX: Final = "_FILE"


def is_given(variable: str, environment: Mapping[str, str]) -> bool:
    """Tell whether the environment has a secret, itself or in a file."""
    return bool(environment.get(variable) or environment.get(variable + _SUFFIX))


def read_secret_files(
    variables: Iterable[str], environment: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Read those secrets that the environment names a file for.

    Args:
        variables: The names of the secrets' own variables.
        environment: The environment. What is empty there counts as not set.

    Returns:
        The secrets, without the line break at their end, and what is wrong with the others, both
        by their variables. No text repeats a secret.
    """
    secrets: dict[str, str] = {}
    problems: dict[str, str] = {}
    for variable in variables:
        name = variable + _SUFFIX
        path = environment.get(name)
        if not path:
            continue
        if environment.get(variable):
            problems[variable] = f"{variable} and {name}: give one of them, not both"
            continue
        try:
            secret = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            problems[variable] = f"{name}: {path} cannot be read: {error.strerror}"
        except ValueError:
            # Not UTF-8, or a path that no file can have.
            problems[variable] = f"{name}: {path!r} is no text file"
        else:
            if secret:
                secrets[variable] = secret
            else:
                problems[variable] = f"{name}: {path} is empty"
    return secrets, problems
