"""TOML files that settings name: read and checked, and what is wrong told by its place."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

MAX_FILE_BYTES: Final = 1024 * 1024
TABLE: Final = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
"""Of every model of such a file: what it does not know is wrong, and no error repeats a value."""

Content = TypeVar("Content", bound=BaseModel)


def read_toml(path: Path, model: type[Content], *, of: str) -> Content:
    """Read a file as a model says.

    Args:
        path: The file.
        model: What it holds.
        of: Whose settings are in it, for errors.

    Raises:
        ValueError: With one line for everything that is wrong.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise ValueError(f"is longer than {MAX_FILE_BYTES} bytes")
        content = tomllib.loads(text.decode("utf-8"))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not TOML: {error}") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ValueError("\n".join(_problem(detail, of) for detail in error.errors())) from None


def _problem(detail: object, of: str) -> str:
    location, kind, message = detail["loc"], detail["type"], str(detail["msg"])  # type: ignore[index] # an ErrorDetails
    texts = {
        "missing": "is required",
        "extra_forbidden": f"is not a setting of {of}",
        "value_error": message.removeprefix("Value error, "),
    }
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in location
    ).removeprefix(".")
    return f"{place}: {texts.get(kind, message)}"
