"""Runs the console blocks of a page as its reader would type them, in one folder and environment per page."""

import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from urllib.error import HTTPError

from tests import forked
from tests.repository.quick_demo import quick_demo
from tests.repository.sources import ROOT

SECONDS_AT_MOST = 180
"""Seconds for one command: far more than any needs, in case one hangs."""
USUAL = "127.0.0.1:8751"
"""The address of the sandbox on the pages. The tests replace it by that of their own, on a free port."""
DEFAULT_HTTP = "127.0.0.1:8750"
"""The address of `signalpost serve` on the pages; the same applies to it."""
CTRL_C = "^C"
PROGRAM = "tests.repository.page_program"

_ANYTHING = re.compile(r"\.\.\.|…")
_TICKET = re.compile(r"\b[0-9a-f]{24}\b|\bsp_[\w-]{43}")
"""A ticket's id, or a token."""
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


def pattern(shown: Iterable[str]) -> re.Pattern[str]:
    """A pattern for the printed lines: `...` in a line is any text, and alone any lines; a ticket's id is one."""
    return re.compile(
        "".join(r"(?:.*\n)*?" if _ANYTHING.fullmatch(line.strip()) else f"{_line(line)}\n" for line in shown)
    )


def _line(line: str) -> str:
    *before, last = _ANYTHING.split(line)
    return "".join(f"{_with_tickets(text.rstrip())}.*" for text in before) + _with_tickets(last)


def _with_tickets(text: str) -> str:
    """A pattern for `text` in which each ticket is any other, and each token."""
    found = [r"(sp_[\w-]{43})" if each.startswith("sp_") else "([0-9a-f]{24})" for each in _TICKET.findall(text)]
    parts = [re.escape(part) for part in _TICKET.split(text)]
    return "".join(part + ticket for part, ticket in zip(parts, [*found, ""], strict=True))


class Console:
    """The terminal of one page. What was started and not stopped runs until `close`."""

    def __init__(self) -> None:
        self._running: list[Background] = []
        self._address_by_usual: dict[str, str] = {}
        self._ticket_by_shown: dict[str, str] = {}
        self._exit_code = 0

    def run(self, block: str) -> str | None:
        """Run the commands of a block, and report output that differs from the page."""
        parsed = commands(block)
        for (command, shown), (following, _) in zip(parsed, [*parsed[1:], ("", [])], strict=True):
            if fault := self._fault(command, "\n".join(shown).strip("\n").splitlines(), following):
                return f"`{command}`: {fault}"
        return None

    def close(self) -> None:
        """Stop the processes that still run."""
        while self._running:
            self._running.pop().stop()

    def _fault(self, command: str, shown: Sequence[str], following: str) -> str | None:
        if command == "echo $?":
            return None if list(shown) == [str(self._exit_code)] else f"the exit code is {self._exit_code}"
        words = shlex.split(self._as_here(command))
        if words[0] == "export":
            for name, _, value in (word.partition("=") for word in words[1:]):
                os.environ[name] = value
            return None
        if words[0] == "make" and words != ["make", "run"]:
            return None if _is_verb(words[1]) else f"the Makefile has no verb {words[1]!r}"
        try:
            self._exit_code, printed = self._ran(words, shown)
        except _NotRun as reason:
            return str(reason)
        if following != "echo $?" and self._exit_code not in ({2, 3} if _ERROR.search("\n".join(shown)) else {0}):
            return f"exit code {self._exit_code}, which the page does not show; it printed\n{printed}"
        for usual, here in self._address_by_usual.items():
            printed = printed.replace(here, usual)
        return self._compared([line for line in shown if line != CTRL_C], printed)

    def _ran(self, words: Sequence[str], shown: Sequence[str]) -> tuple[int, str]:
        """The exit code of a command and its output."""
        match words:
            case ["make", "run"] | ["signalpost", "demo", *_]:
                demo = quick_demo()
                return demo.returncode, demo.stderr + demo.stdout
            case ["signalpost", "sandbox", *options]:
                return 0, self._started([*words[:2], "--port", "0", *options], USUAL, until=shown[-1])
            case ["signalpost", "serve", *_] if "--http" not in words:
                code, printed = self._ran([*words, "--http", "127.0.0.1:0"], shown)
                return code, re.sub(r"(listening on http://)127\.0\.0\.1:\d+", rf"\g<1>{DEFAULT_HTTP}", printed)
            case ["signalpost", "serve", *_] if CTRL_C not in shown and not _ERROR.search("\n".join(shown)):
                return 0, self._started(words, DEFAULT_HTTP, until=shown[-1])
            case ["signalpost", *_] if CTRL_C in shown:
                return Background(words, until=shown[shown.index(CTRL_C) - 1]).stop()
            case ["python" | "signalpost", *_] if os.environ.get("SIGNALPOST_DRY_RUN"):
                module_or_file = words[1:] if words[0] == "python" else words
                sandbox = self._address_by_usual.get(USUAL, USUAL)
                return _forked(PROGRAM, f"http://{sandbox}", *module_or_file)
            case ["python" | "pytest" | "signalpost", *_]:
                return _finished(words)
            case ["curl", *options]:
                return 0, _curl(options)
        raise _NotRun(f"{words[0]} does not belong in a console block, because it is not run: use sh")

    def _started(self, words: Sequence[str], usual: str, until: str) -> str:
        """The output of a command that runs until the page ends; it is on any free port in place of `usual`."""
        running = Background(words, until=until)
        self._running.append(running)
        if found := re.search(r"http://(127\.0\.0\.1:\d+)", running.printed):
            self._address_by_usual[usual] = found[1]
        return running.printed

    def _compared(self, shown: Sequence[str], printed: str) -> str | None:
        lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
        found = pattern(shown).fullmatch(lines)
        if shown and found is None:
            return f"the page shows other output; it printed\n{printed}"
        if found is not None:
            self._ticket_by_shown.update(zip(_TICKET.findall("\n".join(shown)), found.groups(), strict=True))
        return None

    def _as_here(self, command: str) -> str:
        for shown, ticket in self._ticket_by_shown.items():
            command = command.replace(shown, ticket)
        for usual, here in self._address_by_usual.items():
            command = command.replace(usual, here)
        return command


class Background:
    """A command that runs until it is stopped. Created once it has printed a line like `until`, or ended."""

    def __init__(self, words: Sequence[str], *, until: str) -> None:
        self.printed = ""
        self._process = forked.Popen(
            [sys.executable, "-m", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(),
        )
        wanted = pattern([until])
        assert self._process.stdout is not None
        with self._killed_if_it_hangs():
            for line in self._process.stdout:
                self.printed += line
                if wanted.fullmatch(re.sub(r"127\.0\.0\.1:\d+", USUAL, f"{line.rstrip()}\n")):
                    return

    def stop(self) -> tuple[int, str]:
        """Press Ctrl-C, and give back the exit code and all that it printed."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        with self._killed_if_it_hangs():
            rest, _ = self._process.communicate()
        return self._process.returncode, self.printed + rest

    @contextmanager
    def _killed_if_it_hangs(self) -> Iterator[None]:
        watchdog = Timer(SECONDS_AT_MOST, self._process.kill)
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()


class _NotRun(Exception):
    pass


def _finished(words: Sequence[str]) -> tuple[int, str]:
    """Run a command that ends by itself."""
    match words:
        case ["python", *file]:
            return _forked(PROGRAM, "", *file)
        case ["signalpost", "feeds", *_] | ["pytest", *_]:  # which import modules of the page's folder
            return _forked(*words)
    return _in_process(words[1:])


def _forked(*words: str) -> tuple[int, str]:
    """Run a module of Python, or of this repository, with these words."""
    environment = _environment() | {"PYTHONPATH": str(ROOT)}
    ended = forked.run([sys.executable, "-m", *words], timeout=SECONDS_AT_MOST, env=environment)
    return ended.returncode, ended.stderr + ended.stdout


def _in_process(arguments: Sequence[str]) -> tuple[int, str]:
    """Run a command that ends by itself here: a Python of its own would take ten times the CPU time."""
    from tests.acceptance.serving import in_process

    ended = in_process(_environment(), *arguments)
    return ended.returncode, ended.stderr + ended.stdout


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "FORCE_COLOR"}}


def _is_verb(name: str) -> bool:
    return re.search(rf"^{name}:.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE) is not None


def _curl(options: Sequence[str]) -> str:
    """Print as curl would: not every machine has one. Knows -d, -X and -H, and only this machine."""
    url = options[-1]
    if not url.startswith("http://127.0.0.1:"):
        raise _NotRun("a page asks nobody but this machine")
    pairs = list(zip(options[:-1:2], options[1:-1:2], strict=True))
    given = dict(pairs)
    headers = {"User-Agent": "curl/8.0"} | dict(value.split(": ", 1) for name, value in pairs if name == "-H")
    data = given["-d"].encode() if "-d" in given else None
    request = urllib.request.Request(url, data, headers, method=given.get("-X"))
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_AT_MOST) as answer:
            text: str = answer.read().decode()
    except HTTPError as answer:
        with answer:
            text = answer.read().decode()
    return text
