import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository.sources import PAGES, ROOT, SOURCE, SOURCES, TESTS, module_of, shown, tree_of

pytestmark = pytest.mark.unmeasured

MOST_LINES = 400
LONGEST_FUNCTION = 60
SIMULATION = sorted((ROOT / "simulation").rglob("*.py"))
MOST_WORDS_OF_A_HOW_TO = 1200
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "managers", "manager", "common", "misc", "base"}
READS_A_REAL_CLOCK = {
    SOURCE / "system_clock.py",
    SOURCE / "service" / "retention.py",  # the boot clock, to see whether the other one was set
    SOURCE / "integration" / "futures.py",  # a stopwatch for the wait of a caller
    SOURCE / "delivery" / "outbox" / "threaded.py",  # a stopwatch for commands of the store
    SOURCE / "service" / "health_report.py",  # so that another process sees the age of a report
    SOURCE / "service" / "owner.py",  # a stopwatch for the heartbeat, which must not depend on the event loop
    SOURCE / "trading" / "replay.py",  # a stopwatch; it decides nothing
    SOURCE / "sandbox" / "server.py",  # simulates another machine with its own clock
    SOURCE / "cli" / "live_replay.py",  # the replay's clock, and a stopwatch
}
MAY_SLEEP = {"acceptance", "faults", "life", "until.py"}
"""Folders of tests with other processes, whose clock a test cannot move."""
MAY_READ_A_CLOCK = re.compile(r"\bimport\b.*\btime\b|\bfrom time\b|\.\s*(now|utcnow|today)\b")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
IMAGE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
LARGEST_IMAGE = 150_000
PATH_IN_TEXT = re.compile(r"\b(?:docs|tests|src|tools)/[\w./-]+\w")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LAYERS_PAGE = ROOT / "docs" / "why" / "0007-packages-and-layers.md"


def test_no_file_has_more_than_400_lines() -> None:
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in (*SOURCES, *TESTS)}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_no_function_has_more_than_60_lines() -> None:
    lengths = {
        f"{shown(path)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in (*SOURCES, *SIMULATION)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {function: length for function, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_no_module_has_a_meaningless_name() -> None:
    named = [shown(path) for path in (*SOURCES, *TESTS) if SAYS_NOTHING & {path.stem, *path.relative_to(ROOT).parts}]
    assert named == []


def _links(page: Path) -> Iterator[str]:
    for link in LINK.finditer(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", link["target"]):
            yield link["target"]


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _is_broken(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    return not there.exists() or bool(anchor and anchor not in _anchors(there))


def test_every_relative_link_of_a_page_leads_to_a_file_and_a_heading() -> None:
    links = [(page, target) for page in PAGES for target in _links(page)]
    assert links
    assert [f"{shown(page)}: {target}" for page, target in links if _is_broken(page, target)] == []


def test_no_how_to_has_more_than_1_200_words() -> None:
    words = {
        shown(page): len(page.read_text(encoding="utf-8").split()) for page in PAGES if page.parent.name == "how-to"
    }
    assert words
    assert {page: count for page, count in words.items() if count > MOST_WORDS_OF_A_HOW_TO} == {}


def test_every_image_exists_is_small_and_has_a_description() -> None:
    images = [(page, image) for page in PAGES for image in IMAGE.finditer(page.read_text(encoding="utf-8"))]
    assert images
    for page, image in images:
        assert (page.parent / image["target"]).stat().st_size < LARGEST_IMAGE, image["target"]
        assert len(image["text"].split()) > 3, image["target"]


def _paths_in(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8")
    return PATH_IN_TEXT.findall(LINK.sub("", text) if file in PAGES else text)


def test_every_path_named_in_text_exists() -> None:
    named = [(file, path) for file in (*SOURCES, *PAGES) for path in _paths_in(file)]
    assert named
    assert [f"{shown(file)}: {path}" for file, path in named if not (ROOT / path).exists()] == []


def test_the_index_lists_every_page() -> None:
    listed = set(_links(ROOT / "docs" / "README.md"))
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES if "docs" in page.parts} - {"README.md"}
    assert pages - listed == set()


def test_decisions_are_numbered_without_a_gap_and_say_context_decision_and_consequence() -> None:
    pages = sorted((ROOT / "docs" / "why").iterdir())
    assert [page.name[:5] for page in pages] == [f"{number:04}-" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequence"], page.name
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name


def test_the_layers_are_drawn_as_they_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(each["layers"] for each in contracts["contracts"] if each["type"] == "layers")
    drawing = re.search(r"```text\n(.*?)```", LAYERS_PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert drawing is not None
    assert re.sub(r"\s+", " ", drawing[1]).strip() == re.sub(r"[()]", "", " > ".join(layers))


def test_no_test_sleeps() -> None:
    """Unless in virtual time, where waiting costs nothing, or for nothing, which lets the loop go round once."""
    tests = [path for path in TESTS if not MAY_SLEEP & set(path.relative_to(ROOT).parts)]
    assert [f"{shown(test)}: {call}" for test in tests for call in _sleeps(test)] == []


def _sleeps(test: Path) -> list[str]:
    if "sleep" not in test.read_text(encoding="utf-8"):
        return []  # most have none, and to parse them all takes seconds
    calls = [node for node in ast.walk(tree_of(test)) if isinstance(node, ast.Call)]
    names = {ast.unparse(call.func).rpartition(".")[2] for call in calls}
    harmless = r"asyncio\.sleep\(.*\)" if "run_virtual" in names else r"asyncio\.sleep\(0\)"
    sleeps = [ast.unparse(call) for call in calls if ast.unparse(call.func).rpartition(".")[2] == "sleep"]
    return [call for call in sleeps if not re.fullmatch(harmless, call)]


def _clocks(path: Path) -> Iterator[str]:
    """Each way in which the module could read a real clock: the module `time`, or now and today of a date."""
    if not MAY_READ_A_CLOCK.search(path.read_text(encoding="utf-8")):
        return  # as most: to parse them all takes seconds
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name == "time")
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield "time"
        elif isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
            owner = ast.unparse(node.value).rpartition(".")[2]
            if owner in {"datetime", "date", "dt", "Timestamp"}:
                yield ast.unparse(node)


def test_no_source_reads_a_real_clock_but_those_that_are_there_to() -> None:
    readers = {path: list(_clocks(path)) for path in SOURCES}
    assert {shown(path): found for path, found in readers.items() if found and path not in READS_A_REAL_CLOCK} == {}
    assert all(readers[path] for path in READS_A_REAL_CLOCK)


def test_all_that_is_logged_goes_through_the_queue_that_never_blocks() -> None:
    """See docs/why/0029-logging-never-blocks.md; the command line only says where the lines go."""
    direct = [path for path in SOURCES if "getLogger(" in path.read_text(encoding="utf-8")]
    ours = {
        SOURCE / "telemetry" / "log_queue.py",
        SOURCE / "cli" / "logs.py",
        SOURCE / "integration" / "log_handler.py",
    }
    assert {shown(path) for path in direct} <= {shown(path) for path in ours}


def test_only_the_package_itself_imports_the_system_clock() -> None:
    importers = [
        module_of(path)
        for path in SOURCES
        if "system_clock" in path.read_text(encoding="utf-8")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module == "signalpost.system_clock"
    ]
    assert importers == ["signalpost"]
