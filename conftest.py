"""Every example in README.md, docs/ and docstrings is run, in a folder of its own and under a clock that stands still.

Blocks by their language:

    python                      run; one that begins with `>>>` must also print what it shows
    console                     `$ signalpost ...` is run; what is shown below it must be what it prints, `...` standing
                                for anything; it must exit with 0, or with 2 where an error is shown;
                                `$ make run` is what the Makefile says: `signalpost demo`; other verbs must exist
    csv FILE, toml FILE         written to FILE, for the blocks below
    sh, text and the others     not run
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sybil import Document, Example, Region, Sybil
from sybil.parsers.doctest import DocTestParser
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from sybil.sybil import SybilCollection

REPOSITORY = Path(__file__).parent
NOW = "2025-08-20T05:00:01Z"
SECONDS_AT_MOST = 60
"""For one command: a bound against hanging, far above what any takes."""

_FILE_BLOCK = re.compile(r"^```(?:csv|toml) (?P<name>[\w.-]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_ANYTHING = re.compile(r"\.\.\.|…")
_ERROR = re.compile(r"^(error|Error|Usage):", re.MULTILINE)


def commands(block: str) -> list[tuple[str, list[str]]]:
    """Each command of a console block, without its `$ `, and the lines shown below it."""
    found: list[tuple[str, list[str]]] = []
    lines = iter(block.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command = command[:-1] + next(lines)
            found.append((command, []))
        else:
            found[-1][1].append(line.rstrip())
    return found


def matches(shown: Iterable[str], printed: str) -> bool:
    """Whether `printed` is what is shown: line for line, `...` in a line being any text, and alone any lines."""
    pattern = "".join(r"(?:.*\n)*?" if _ANYTHING.fullmatch(line.strip()) else f"{_pattern(line)}\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in printed.splitlines())) is not None


def _pattern(line: str) -> str:
    *before, last = _ANYTHING.split(line)
    return "".join(f"{re.escape(text.rstrip())}.*" for text in before) + re.escape(last)


def _run_console(example: Example) -> str | None:
    for command, shown in commands(example.parsed):
        if fault := _fault(command, shown):
            return f"`{command}`: {fault}"
    return None


def _fault(command: str, shown: list[str]) -> str | None:
    words = shlex.split(command)
    if words[0] == "make":
        if not re.search(rf"^{words[1]}:.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE):
            return f"the Makefile has no verb {words[1]!r}"
        words = ["signalpost", "demo"] if words[1:] == ["run"] else []
        if not words:
            return None
    if words[0] != "signalpost":
        return "only `signalpost` and `make` belong in a console block, because only they are run: use sh for others"
    run = subprocess.run(  # noqa: S603  # the command is written in our own documentation
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        timeout=SECONDS_AT_MOST,
        check=False,
        env={name: value for name, value in os.environ.items() if name not in {"COLUMNS", "FORCE_COLOR"}},
    )
    printed = run.stderr + run.stdout
    text = "\n".join(shown).strip("\n")
    expected = 2 if _ERROR.search(text) else 0
    if run.returncode != expected:
        return f"exit code {run.returncode} instead of {expected}; it printed\n{printed}"
    if text and not matches(text.split("\n"), printed):
        return f"shown is not what it prints, which is\n{printed}"
    return None


def _files(document: Document) -> Iterator[Region]:
    for block in _FILE_BLOCK.finditer(document.text):
        yield Region(block.start(), block.end(), (block["name"], block["text"]), _write_file)


def _write_file(example: Example) -> None:
    name, text = example.parsed
    Path(name).write_text(text)


def _begin(namespace: dict[str, Any]) -> None:
    from signalpost.testing.manual_clock import ManualClock

    stack = namespace["_stack"] = ExitStack()
    stack.enter_context(ManualClock(NOW))
    stack.enter_context(chdir(stack.enter_context(TemporaryDirectory(prefix="signalpost-docs-"))))
    Path("src").symlink_to(REPOSITORY / "src")  # a page may name the files of a clone as its reader does


def _end(namespace: dict[str, Any]) -> None:
    namespace["_stack"].close()


_pages = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser("console", _run_console), _files],
    patterns=["README.md", "CONTRIBUTING.md", "docs/*.md", "docs/**/*.md"],
    setup=_begin,
    teardown=_end,
)
_docstrings = Sybil(
    parsers=[DocTestParser(), PythonCodeBlockParser()],
    path="src",
    patterns=["*.py"],
    setup=_begin,
    teardown=_end,
)
pytest_collect_file = SybilCollection((_pages, _docstrings)).pytest()
