"""Collects what users and their programs rely on: options, exit codes, JSON keys, metrics, settings, documented names.

    python -m tests.surface.collected

stores them: facts in surface.json, of which the test beside this file lets none go, and in help.txt the text of each
command's `--help`, which the test compares word for word.
"""

import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

import signalpost
from signalpost import AsyncNotificationService, Config
from signalpost.cli import main
from signalpost.config.settings import known_variables
from tests.acceptance.serving import in_process, serving, token
from tests.repository.sources import ROOT

FACTS, HELP = (Path(__file__).with_name(name) for name in ("surface.json", "help.txt"))
_SIGNAL = ("--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634", "--stop", "1.1599")
_CANDLES = "time,open,high,low,close\n2025-03-03T09:00:00Z,1.05,1.06,1.04,1.055\n"
_BODY = {"pair": "EURUSD", "timeframe": "H4", "side": "buy", "entry": 1.1634, "time": "2099-01-01T00:00:00Z"}


def facts() -> dict[str, list[str]]:
    """All but texts, as sorted lines by section."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [*_commands_run(Path(folder))]
    return {
        "options": sorted(_options(main, "signalpost")),
        "exit codes": sorted(f"{name}: {code}" for name, code, _ in runs),
        "JSON keys": sorted({f"{name}: {path}" for name, _, plain in runs for path in _paths(plain)}),
        "metrics": sorted(AsyncNotificationService(Config(home=Path("unused"))).get_metrics()),
        "settings": sorted(known_variables()),
        "documented": sorted(_documented()),
    }


def help_texts() -> str:
    """The `--help` of each command, at a width of 100."""
    return "\n".join(f"$ {' '.join(words)} --help\n{_help(words)}" for words in _commands(main, ("signalpost",)))


def _help(words: tuple[str, ...]) -> str:
    settings = {"prog_name": "signalpost", "max_content_width": 100, "terminal_width": 100}
    return CliRunner().invoke(main, [*words[1:], "--help"], **settings).stdout  # type: ignore[arg-type]


def _commands(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield words
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                yield from _commands(below, (*words, name))


def _options(command: click.Command, path: str) -> Iterator[str]:
    """Each parameter of a command and of those below it."""
    for parameter in command.params:
        for name in [*parameter.opts, *parameter.secondary_opts]:
            yield f"{path} {name}{' (required)' if parameter.required else ''}"
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                yield from _options(below, f"{path} {name}")


def _documented() -> Iterator[str]:
    """Each public name that has a docstring, with the public members of classes."""
    for name in signalpost.__all__:
        value = getattr(signalpost, name)
        if inspect.isfunction(value) and value.__doc__:
            yield name
        if inspect.isclass(value) and value.__dict__.get("__doc__"):
            yield name
            for member, each in inspect.getmembers(value):
                if not member.startswith("_") and getattr(each, "__doc__", None) and _is_ours(value, member):
                    yield f"{name}.{member}"


def _is_ours(owner: type, member: str) -> bool:
    return any(member in base.__dict__ and base.__module__.startswith("signalpost") for base in owner.__mro__)


def _commands_run(folder: Path) -> Iterator[tuple[str, int, Any]]:
    """The name, exit code or HTTP status, and JSON of commands and requests beside a sandbox."""
    command = [sys.executable, "-u", "-m", "signalpost", "sandbox", "--port", "0", "--limits", "off"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        at = next(line.split("http://")[1].split("/")[0] for line in sandbox.stdout if "http://" in line)
        try:
            yield from _run(folder, _environment(folder, at))
        finally:
            sandbox.terminate()


def _environment(folder: Path, sandbox: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("DISCORD_", "SIGNALPOST_"))}
    hooks = ("SIGNALS_FREE", "ALERTS_CRITICAL", "MARKET_ANALYSIS", "SYSTEM_STATUS", "COMMUNITY")
    return mine | {
        "SIGNALPOST_HOME": str(folder / "home"),
        "SIGNALPOST_HTTP": "127.0.0.1:0",
        **{f"DISCORD_WEBHOOK_{name}": f"http://{sandbox}/api/v10/webhooks/{name.lower()}/token" for name in hooks},
    }


def _run(folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, int, Any]]:
    candles = folder / "candles.csv"
    candles.write_text(_CANDLES, encoding="utf-8")

    def run(name: str, *arguments: str, **changes: str) -> tuple[str, int, Any]:
        ran = in_process({**environment, **changes}, *name.split(), *arguments, "--json")
        lines = ran.stdout.splitlines()
        try:
            plain = json.loads(ran.stdout)
        except json.JSONDecodeError:
            plain = [json.loads(line) for line in lines]
        return name, ran.returncode, plain

    yield run("health")
    yield run("check")
    yield run("preview", "signal", "tp1")
    yield run("preview", "signal", "none")
    yield run("preview", "announcement", "--send", "community")
    yield run("publish signal", *_SIGNAL, "--id", "mine")
    yield run("publish signal", *_SIGNAL)
    yield run("publish signal", "--pair", "EURUSD")
    yield run("publish alert", "--type", "feed", "--severity", "high", "--title", "No candles")
    yield run("publish alert", "--type", "feed", "--severity", "high", "--title", "x", SIGNALPOST_HOME="/proc/none")
    yield run("publish announcement", "--title", "Maintenance", "--text", "Sunday")
    yield run("publish status", "--status", "operational")
    yield run("publish analysis", "--title", "Dollar", "--text", "Ranges")
    yield run("deliveries list")
    yield run("deliveries show", "mine")
    yield run("deliveries why", "mine")
    yield run("deliveries why", "nothing")
    yield run("deliveries revive", "mine")
    yield run("deliveries cancel", "mine")
    yield run("signals list")
    yield run("signals show", "nothing")
    yield run("signals update", "2", "--note", "CPI at 12:30")
    yield run("signals close", "2")
    yield run("signals close", "2", "--price", "1.17")
    yield run("signals close", "2", "--price", "1.17")
    yield run("signals show", "2")
    yield run("signals export")
    yield run("destinations list")
    yield run("destinations test")
    yield run("destinations enable", "signals-free")
    yield run("replay", str(candles), "--pair", "EURUSD", "--timeframe", "H1", "--fast", "1", "--slow", "2")
    yield run("backup", str(folder / "copy.db"))
    yield run("purge", "--before", "30d", "--dry-run")
    secret = token(dict(environment), "mine")
    yield run("tokens list")
    with serving(dict(environment)) as served:
        bearer = {"Authorization": f"Bearer {secret}"}
        for path in ("/health", "/-/healthy", "/-/ready"):
            status, plain, _ = served.get(path)
            yield f"GET {path}", status, plain
        for body in (_BODY, {"pair": "EURUSD"}):
            status, plain, _ = served.post("/api/v1/signals", body, **bearer)
            yield "POST /api/v1/signals", status, plain
        status, plain, _ = served.post("/api/v1/signals", _BODY)
        yield "POST /api/v1/signals", status, plain
        for body in ({"price": 1.17}, {"price": 1.18}, {"bogus": 1}):
            status, plain, _ = served.post("/api/v1/signals/mine/close", body, **bearer)
            yield "POST /api/v1/signals/ID/close", status, plain
        for path, name in (("?limit=5", ""), ("/mine", "/ID"), ("/other", "/ID")):
            status, plain, _ = served.get(f"/api/v1/signals{path}", **bearer)
            yield f"GET /api/v1/signals{name}", status, plain
        yield run("health")


def _paths(plain: Any, before: str = "") -> Iterator[str]:
    """Each name in a JSON value, with the names that lead to it."""
    if isinstance(plain, dict):
        for name, value in plain.items():
            yield f"{before}{name}"
            yield from _paths(value, f"{before}{name}.")
    elif isinstance(plain, list):
        for value in plain:
            yield from _paths(value, before)


if __name__ == "__main__":
    os.chdir(ROOT)
    FACTS.write_text(json.dumps(facts(), indent=1) + "\n", encoding="utf-8")
    HELP.write_text(help_texts(), encoding="utf-8")
