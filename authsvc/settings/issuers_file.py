"""The file of `AUTHSVC_ISSUERS_FILE`: other issuers whose tokens are accepted.

TOML, one `[[issuer]]` for each. Whatever is wrong is told at once, by its place in the file.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import BaseModel

from authsvc.settings.issuers import IssuerEntry
from authsvc.settings.toml_files import TABLE, read_toml


class _IssuersFile(BaseModel):
    model_config = TABLE

    issuer: list[IssuerEntry] = []


def read_issuers(path: Path) -> list[IssuerEntry]:
    """Read the issuers of a file. Other files that it names are relative to it.

    Raises:
        ValueError: With one line for everything that is wrong.
    """
    entries = read_toml(path, _IssuersFile, of="an issuer").issuer
    return [
        entry.model_copy(
            update={
                name: path.parent / file
                for name in ("jwks_file", "ca_file")
                if (file := getattr(entry, name)) is not None
            }
        )
        for entry in entries
    ]


def check_issuers_file(path: Path, *, own_issuer: str | None) -> list[IssuerEntry]:
    """Check a file of issuers, and the files that it names, and return the issuers.

    Args:
        path: The file.
        own_issuer: What this service is called in its own tokens; None where that is not known.

    Raises:
        ValueError: With one line for everything that is wrong.
    """
    entries = read_issuers(path)
    problems = [
        f"issuer[{index}].{name}: is that of an issuer above, too"
        for name in ("alias", "issuer")
        for index, entry in enumerate(entries)
        if getattr(entry, name) in {getattr(before, name) for before in entries[:index]}
    ]
    for index, entry in enumerate(entries):
        if entry.issuer == own_issuer:
            problems.append(f"issuer[{index}].issuer: is this service itself")
        problems += [f"issuer[{index}].{problem}" for problem in _file_problems(entry)]
    if problems:
        raise ValueError("\n".join(problems))
    return entries


def _file_problems(entry: IssuerEntry) -> list[str]:
    """Tell what is wrong with the files that an issuer names."""
    # Loaded late: only a server with such an issuer has a use for them.
    from authsvc.tokens.foreign.failures import KeysNotFetched  # noqa: PLC0415
    from authsvc.tokens.foreign.key_sets import read_key_set  # noqa: PLC0415
    from authsvc.tokens.foreign.sources import read_key_file  # noqa: PLC0415

    problems = []
    try:
        if entry.jwks_file is not None:
            read_key_set(read_key_file(entry.jwks_file), entry.algorithms)
    except OSError as error:
        problems.append(f"jwks_file: cannot be read: {error.strerror}")
    except KeysNotFetched as error:
        problems.append(f"jwks_file: {error}")
    try:
        if entry.ca_file is not None:
            ssl.create_default_context(cafile=entry.ca_file)
    except ssl.SSLError:
        problems.append("ca_file: has no certificates in PEM")
    except OSError as error:
        problems.append(f"ca_file: cannot be read: {error.strerror}")
    return problems
