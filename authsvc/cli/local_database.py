"""What `authsvc dev` leaves in its data directory, and the settings that come of it.

    admin.key        the admin key, for callers
    encryption.key   AUTHSVC_ENCRYPTION_KEY
    database.url     AUTHSVC_DATABASE_URL, also for psql

All of them are for their owner's eyes only (mode 0600).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from authsvc.cli.failures import Failure
from authsvc.config import Settings, load_settings
from authsvc.config_values import ENCRYPTION_KEY_BYTES
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.settings.files import is_given

ADMIN_KEY_FILE: Final = "admin.key"
ENCRYPTION_KEY_FILE: Final = "encryption.key"
DATABASE_URL_FILE: Final = "database.url"
DEFAULT_DATA_DIR: Final = Path(".authsvc")

DataDirOption = Annotated[
    Path,
    typer.Option("--data-dir", help="The directory of `authsvc dev`.", file_okay=False),
]


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner's eyes only, whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_private(path: Path) -> str | None:
    """Return a file's content without the line break at its end, or None without a file."""
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except FileNotFoundError:
        return None


def find_or_make_encryption_key(data_dir: Path) -> str:
    """Return the directory's encryption key, or a new one that is not kept there yet."""
    kept = read_private(data_dir / ENCRYPTION_KEY_FILE)
    return kept or base64.b64encode(os.urandom(ENCRYPTION_KEY_BYTES)).decode()


def ensure_encryption_key(data_dir: Path, new_key: str) -> str:
    """Return the directory's encryption key; where there is none yet, keep this new one."""
    path = data_dir / ENCRYPTION_KEY_FILE
    key = read_private(path)
    if key is None:
        key = new_key
        write_private(path, f"{key}\n")
    return key


def load_local_settings(data_dir: Path) -> Settings:
    """Read the settings from the environment, or else of the `authsvc dev` in a directory.

    Raises:
        InvalidSettings: Those of the environment are incomplete or wrong.
        Failure: There is neither.
    """
    if in_environment():
        return load_settings()
    database_url = read_private(data_dir / DATABASE_URL_FILE)
    if database_url is None:
        raise Failure(
            f"`authsvc dev` has never run on {data_dir}. Give its directory with --data-dir, or "
            "the settings AUTHSVC_DATABASE_URL and AUTHSVC_ENCRYPTION_KEY"
        )
    return load_settings(
        database_url=database_url, encryption_key=read_private(data_dir / ENCRYPTION_KEY_FILE) or ""
    )


@contextmanager
def in_words_of_dev(data_dir: Path) -> Iterator[None]:
    """Say that `authsvc dev` does not run, where it is its database that cannot be reached.

    Raises:
        Failure: It does not.
        DatabaseUnavailable: The database of the environment cannot be reached.
    """
    try:
        yield
    except DatabaseUnavailable:
        if in_environment():
            raise
        raise Failure(f"`authsvc dev` does not run on {data_dir}; start it first") from None


def in_environment() -> bool:
    """Tell whether the environment says which database to use."""
    return is_given("AUTHSVC_DATABASE_URL", os.environ)
