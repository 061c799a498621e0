import inspect
import json
import os
import re
import subprocess
import sys
from importlib import import_module

import pytest

import signalpost
from tests.repository.sources import ROOT, SOURCES, module_of

HEAVY = {"aiohttp", "sqlite3", "asyncio", "rich", "click", "pandas", "numpy"}
PURE_PACKAGES = (
    "signalpost.domain",
    "signalpost.trading",
    "signalpost.delivery.pacing",
    "signalpost.delivery.routing",
    "signalpost.delivery.dispatch.decide",
    "signalpost.sandbox.rules",
    "signalpost.sinks.evidence",
    "signalpost.clock",
    "signalpost.errors",
    "signalpost.secret",
)
HEAVY_MODULES = {
    "integration.functions",
    "integration.integration",
    "integration.log_handler",
    "sinks.discord.service",
    "integration.startup",
    "trading.alarm_clock",
    "trading.feeds.bounded",
    "trading.feeds.folder",
    "trading.feeds.exchange",
    "trading.feeds.isolated",
    "trading.feeds.oanda",
    "trading.redis_cache",
    "trading.round",
    "trading.round_cache",
    "trading.runner",
}
"""Modules that use files or the network are heavy; they load only when they are used."""
NAMES = [name for name in signalpost.__all__ if name != "__version__"]
TABLE = signalpost._MODULE_BY_NAME
"""The module of each public name, as the table of lazy imports has it."""


def test_the_public_names_are_sorted_and_unique() -> None:
    assert signalpost.__all__ == sorted(set(signalpost.__all__))
    assert dir(signalpost) == signalpost.__all__


def test_the_public_names_are_those_of_the_lazy_table() -> None:
    assert sorted(TABLE) == NAMES


def test_type_checkers_see_the_public_names_and_no_others() -> None:
    source = inspect.getsource(signalpost)
    block = source.partition("if TYPE_CHECKING:\n")[2].partition("\n__version__")[0]
    seen: list[str] = []
    for module, names in re.findall(r"from signalpost\.([\w.]+) import (\([^)]*\)|.+)", block):
        for name in re.findall(r"\w+", names):
            assert TABLE[name] == module
            seen.append(name)
    assert sorted(seen) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_defined_in_its_module_and_has_a_docstring(name: str) -> None:
    value = getattr(signalpost, name)
    assert value is getattr(import_module(f"signalpost.{TABLE[name]}"), name)
    assert value.__module__ == f"signalpost.{TABLE[name]}", "the table has the defining module"
    own = value.__doc__ if inspect.isfunction(value) else value.__dict__.get("__doc__")
    assert own, "it has a docstring of its own"


def test_an_unknown_name_is_an_attribute_error_with_the_name() -> None:
    with pytest.raises(AttributeError) as raised:
        signalpost.Signl  # noqa: B018  # the access is the test
    assert "Signl" in str(raised.value)


def test_the_page_of_names_has_the_module_of_each_public_name() -> None:
    page = (ROOT / "docs" / "reference" / "names.md").read_text(encoding="utf-8")
    public = page.partition("## Names by their path")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \|.*\| `([\w.]+)` \|$", public, re.MULTILINE))
    assert documented == {name: f"signalpost.{module}" for name, module in TABLE.items()} | {
        "__version__": "signalpost"
    }


def test_names_to_come_do_not_exist_yet() -> None:
    page = (ROOT / "docs" / "reference" / "names.md").read_text(encoding="utf-8")
    to_come = set(re.findall(r"`(\w+)`", page.partition("## Names to come")[2]))
    assert to_come
    assert to_come & set(signalpost.__all__) == set()


def test_the_names_by_their_path_can_be_imported() -> None:
    page = (ROOT / "docs" / "reference" / "names.md").read_text(encoding="utf-8")
    listed = page.partition("## Names by their path")[2].partition("## Names to come")[0]
    lines = re.findall(r"^- `(signalpost[\w.]*)`: (.*)$", listed, re.MULTILINE)
    assert lines
    for module, names in lines:
        for name in re.findall(r"`(\w+)`", names):
            assert hasattr(import_module(module), name), f"{module} has no {name}"


def test_importing_signalpost_and_the_pure_packages_loads_nothing_heavy() -> None:
    """The light public names are also used, because a lazy name could hide a heavy import."""
    folders = tuple(f"{package}." for package in PURE_PACKAGES)
    modules = {module_of(path) for path in SOURCES if f"{module_of(path)}.".startswith(folders)}
    wanted = ", ".join(sorted(modules - {f"signalpost.{name}" for name in HEAVY_MODULES}))
    light = [name for name in NAMES if TABLE[name] not in HEAVY_MODULES]
    uses = f"[getattr(signalpost, name) for name in {light}]"
    program = f"import json, sys, signalpost, {wanted}\n{uses}\nprint(json.dumps(list(sys.modules)))"
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, env=unmeasured, capture_output=True, text=True, check=True).stdout
    assert HEAVY & {name.partition(".")[0] for name in json.loads(printed)} == set()
