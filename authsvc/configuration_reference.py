"""The reference of all settings, in Markdown, made from the settings themselves."""

from __future__ import annotations

from enum import Enum
from typing import Final

from authsvc.config import SECRETS, Settings, variable_of

_SECRETS: Final = "\n".join(f"- `{variable_of(name)}`" for name in SECRETS)
_HEAD: Final = f"""\
# Configuration

<!-- Made by `authsvc config`. Change authsvc/settings, then run `make docs`. -->

The server reads its settings from the environment. At start-up it lists every missing or wrong
one at once. An empty variable counts as not set.

A secret may stand in a file, as mounted secrets do: the variable with `_FILE` behind its name then
holds the file's path. Line breaks at the end of the file do not count, and giving both is an error.
The file is read once, at the start. This goes for:

{_SECRETS}
- `AUTHSVC_API_KEY`, of the command line

| setting | default | meaning |
|---|---|---|
"""
_TAIL: Final = """
## Clients and the command line

| setting | meaning |
|---|---|
| `AUTHSVC_ADDRESS` | The server, as `host:port`. |
| `AUTHSVC_API_KEY` | The caller's own API key. |
| `AUTHSVC_PLAINTEXT` | For the command line: `true` when the server has no TLS. |
| `AUTHSVC_CLIENT_CERTIFICATE_FILE` | For the command line: a certificate, in PEM with its chain, \
that proves who calls: docs/tls.md. |
| `AUTHSVC_CLIENT_KEY_FILE` | For the command line: the private key of that certificate, in PEM. |

## `authsvc dev`

| setting | meaning |
|---|---|
| `AUTHSVC_POSTGRES_BIN` | The directory of another PostgreSQL's programs than that of \
`authsvc[embedded]`, such as `/usr/lib/postgresql/17/bin`. A data directory stays with the major \
version that made it. |

## Tests

| setting | meaning |
|---|---|
| `AUTHSVC_TEST_DATABASE_URL` | Run the tests on this server instead of an embedded one. The \
user must be allowed to create databases. |
| `AUTHSVC_TEST_POSTGRES_BIN` | The directory of the PostgreSQL programs, with pg_stat_statements, \
that the end-to-end tests run on. By default the newest below `/usr/lib/postgresql`, as \
Debian's package `postgresql` installs it; without one, those tests run on the embedded server. |
"""


def configuration_reference() -> str:
    """Return the text of docs/configuration.md."""
    return _HEAD + "".join(_row(name) for name in Settings.model_fields) + _TAIL


def _row(name: str) -> str:
    field = Settings.model_fields[name]
    default = "*required*" if field.is_required() else _default(field.default)
    meaning = field.description or ""
    if isinstance(field.annotation, type) and issubclass(field.annotation, Enum):
        values = ", ".join(f"`{member.value}`" for member in field.annotation)
        meaning = f"{meaning} One of {values}."
    return f"| `{variable_of(name)}` | {default} | {meaning} |\n"


def _default(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
