"""The examples of the documents run as they stand.

A code block runs when the line before it says so: `<!-- runs: sh -->` or `<!-- runs: python -->`.
Those of one document run one after the other in one `bash -eu`, as if they were pasted into one
terminal: without input, in the directory where `authsvc dev` was started. What stands for the
test's own server and programs is put in their place:

- 127.0.0.1:50051 is the server's address, and .venv/bin/ is where the interpreter's programs are;
- a `python` block is run by the interpreter, with AUTHSVC_ADDRESS and AUTHSVC_API_KEY (the admin
  key) in its environment.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.support import BIN, SECRET, Dev, environment

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = (
    ROOT / "README.md",
    ROOT / "clients/python/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
)

_MARK: Final = re.compile(r"^<!-- runs: ", re.MULTILINE)
_MARKED: Final = re.compile(
    r"^<!-- runs: (?P<kind>sh|python) -->\n+```\w*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Example:
    """A marked code block, and the line on which it begins."""

    line: int
    kind: str
    text: str

    @property
    def needs_grpcurl(self) -> bool:
        return "grpcurl" in self.text


def find_examples(document: str) -> list[Example]:
    found = [
        Example(document.count("\n", 0, match.start("text")) + 1, match["kind"], match["text"])
        for match in _MARKED.finditer(document)
    ]
    assert len(found) == len(_MARK.findall(document)), "a mark without a code block of its kind"
    return found


def script(examples: list[Example], server: Dev) -> str:
    """Return the examples as one script that says where it is."""
    caller = f"AUTHSVC_ADDRESS={server.address} AUTHSVC_API_KEY={server.admin_key}"
    parts = []
    for example in examples:
        parts.append(f"echo '--- line {example.line}'")
        if example.kind == "python":
            python = f"{shlex.quote(sys.executable)} -c {shlex.quote(example.text)}"
            parts.append(f"env {caller} {python}")
        else:
            parts.append(
                example.text.replace("127.0.0.1:50051", server.address).replace(
                    ".venv/bin/", f"{BIN}/"
                )
            )
    return "\n".join(parts)


DOCUMENTS_WITH_EXAMPLES: Final = [
    document
    for document in DOCUMENTS
    if document == ROOT / "README.md" or _MARK.search(document.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(
    "document", DOCUMENTS_WITH_EXAMPLES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_examples_of_the_document_run(shared_dev: Dev, document: Path) -> None:
    examples = find_examples(document.read_text(encoding="utf-8"))
    assert examples, f"nothing in {document} is marked with <!-- runs: sh --> or python"
    left_out = [each for each in examples if each.needs_grpcurl and not shutil.which("grpcurl")]

    done = subprocess.run(
        ["bash", "-eu", "-c", script([e for e in examples if e not in left_out], shared_dev)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        cwd=shared_dev.cwd,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, SECRET.sub("…", done.stdout)
    if left_out:
        lines = ", ".join(str(each.line) for each in left_out)
        pytest.skip(f"grpcurl is not installed; all ran but the examples of lines {lines}")


def test_marked_code_blocks_are_found_and_no_others() -> None:
    document = "# A\n\n<!-- runs: sh -->\n```sh\necho 1\n```\n\n```sh\nnot marked\n```\n"

    assert find_examples(document) == [Example(5, "sh", "echo 1\n")]


def test_a_mark_of_an_unknown_kind_is_no_silent_pass() -> None:
    with pytest.raises(AssertionError, match="a mark without"):
        find_examples("<!-- runs: ruby -->\n```ruby\n```\n")
