"""Passwords typed at the terminal or piped in: never an argument, never shown."""

from __future__ import annotations

import sys

import typer

from authsvc.cli.failures import Failure
from orchestrator.auth import Secret


def read_new_password() -> Secret:
    """Read a password that is to be set; at a terminal twice, as nobody sees it.

    Raises:
        Failure: There is none, or standard input is not text.
    """
    if sys.stdin.isatty():
        return Secret(_ask("The new password", confirm=True))
    return _line("the password in a line of its own")


def read_changed_password() -> tuple[Secret, Secret]:
    """Read the current password and the new one: two prompts, or two lines of standard input.

    Raises:
        Failure: One is missing, or standard input is not text.
    """
    if sys.stdin.isatty():
        return Secret(_ask("The current password")), Secret(_ask("The new password", confirm=True))
    expected = "two lines, the current password and the new one"
    return _line(expected), _line(expected)


def _ask(prompt: str, *, confirm: bool = False) -> str:
    # The prompt goes to standard error: standard output may lead to another program.
    return str(
        typer.prompt(
            prompt,
            hide_input=True,
            confirmation_prompt="Once more" if confirm else False,
            err=True,
        )
    )


def _line(expected: str) -> Secret:
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        raise Failure("standard input is not text in UTF-8") from None
    password = line.removesuffix("\n")
    if not password:
        raise Failure(f"standard input should have {expected}")
    return Secret(password)
