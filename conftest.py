"""Every example in README.md, docs/ and docstrings is run as its reader would run it, in a folder of its own.

Blocks by their language:

    python                      run; one that begins with `>>>` must also print what it shows
    console                     commands, each after `$ `; what is shown below one must be what it prints, `...`
                                standing for anything, and a ticket's id, or a token, for the one that is printed. It
                                must exit with 0, with 2 or 3 where an error is shown, or as `$ echo $?` says below it
    csv FILE, toml FILE         written to FILE, for the blocks below; so are python FILE and text FILE
    sh, text and the others     not run

Commands: `signalpost`, `pytest`, `python` with a file, `curl` to this machine, `export` (for the whole page), and
`make`, whose verbs must exist. `signalpost demo` and `make run` are one quick demo for all pages. What runs until
Ctrl-C is stopped where `^C` is shown, once the line above that was printed; `signalpost sandbox` runs until the page
ends, and so does `signalpost serve` without a `^C`. Where a page names port 8751 or 8750, the tests take a free one,
and so does a dry run. OANDA's practice host and the exchange `kraken` in a settings file are servers of the tests. Each
page has a data folder of its own.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.parsers.doctest import DocTestParser
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from sybil.sybil import SybilCollection

from tests.repository.console_blocks import Console
from tests.repository.market_servers import MarketServers
from tests.repository.quick_demo import SHARED_FOLDER

REPOSITORY = Path(__file__).parent

_IN_MEMORY = Path("/dev/shm")  # noqa: S108  # pytest makes a folder of its own in it
_ROOM = 1 << 30
"""Bytes that must be free there: many containers have 64 MB."""

_FILE_BLOCK = re.compile(
    r"^```(?:csv|toml|python|text) (?P<name>[\w.-]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

_EXAMPLE = re.compile(r"^ *(>>>|```python)", re.MULTILINE)


@contextmanager
def _environment_of_the_page(home: Path) -> Iterator[None]:
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("SIGNALPOST_", "DISCORD_"))]:
        del os.environ[name]
    os.environ["SIGNALPOST_HOME"] = str(home)
    try:
        yield
    finally:
        _restore(before)


def _restore(before: Mapping[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _run_console(example: Example) -> str | None:
    console: Console = example.namespace["_console"]
    return console.run(example.parsed)


def _files(document: Document) -> Iterator[Region]:
    for block in _FILE_BLOCK.finditer(document.text):
        yield Region(block.start(), block.end(), (block["name"], block["text"]), _write_file)


def _write_file(example: Example) -> None:
    name, text = example.parsed
    Path(name).write_text(example.namespace["_markets"].in_place(text), encoding="utf-8")


def _begin(namespace: dict[str, Any]) -> None:
    stack = namespace["_stack"] = ExitStack()
    console = namespace["_console"] = Console()
    folder = stack.enter_context(TemporaryDirectory(prefix="signalpost-docs-"))
    stack.enter_context(_environment_of_the_page(Path(folder) / "home"))
    stack.enter_context(chdir(folder))
    stack.callback(console.close)
    markets = namespace["_markets"] = MarketServers()
    stack.callback(markets.close)
    Path("src").symlink_to(REPOSITORY / "src")  # a page may name the files of a clone as its reader does


def _end(namespace: dict[str, Any]) -> None:
    namespace["_stack"].close()


def pytest_configure(config: pytest.Config) -> None:
    """Prepare what all processes of this test run share: a folder, temporary files in memory, and no certificates.

    The latter take a tenth of each start to load, and no test connects to another machine.
    """
    if not hasattr(config, "workerinput"):
        _keep_temporary_files_in_memory()
        folder = TemporaryDirectory(prefix="signalpost-tests-")
        config.add_cleanup(folder.cleanup)
        os.environ[SHARED_FOLDER] = folder.name
        os.environ["SSL_CERT_FILE"] = os.environ["SSL_CERT_DIR"] = os.devnull


def _keep_temporary_files_in_memory() -> None:
    """Syncs are free there, and tests make tens of thousands. A TMPDIR that is set is respected."""
    if "TMPDIR" not in os.environ and _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_IN_MEMORY)


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
_collect_examples = SybilCollection((_pages, _docstrings)).pytest()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Any:
    """Collect examples. Only modules that have some are parsed: to parse all of them would take seconds."""
    if file_path.suffix == ".py" and not _EXAMPLE.search(file_path.read_text(encoding="utf-8")):
        return None
    return _collect_examples(file_path, parent)
