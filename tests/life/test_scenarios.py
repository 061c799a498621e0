"""Each scenario of this folder, and the player itself.

In most of them, a person reports what happens, by `--target-hit`, `--reason stop` and prices. Those with a feed are
followed by its candles. Not here, because they need a strategy: a candle that is revised after the signal, and candles
that complete with another close, or late, or not at all.
"""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.life.scenario import Scenario, load, play

RUN = Path(__file__).with_name("run")
FILES = sorted(Path(__file__).parent.glob("*.toml"))
OPENING = "publish signal --pair EURUSD --side buy --entry 1.1 --stop 1.09 --target 1.11 --target 1.12"
HIT = "signals update 1 --target-hit 1"
WRONG: dict[str, Any] = {
    "exit": 1,
    "outcome": "duplicate",
    "companions": 1,
    "messages": {
        "signals-free": [
            {
                "number": 2,
                "edited": False,
                "title": "▲ EUR/USD · TP1 HIT",
                "has": "SL AT ENTRY",
                "lacks": ["+0.50R", "x"],
            }
        ],
        "signals-premium": ["BUY EURUSD"],
    },
    "signals": {"1": {"state": "closed", "result": {"r": "1/3"}, "targets": [], "closed": "none"}},
    "requests": ["PATCH 200 edited #1", "POST"],
}


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_channel_shows_what_became_of_the_signal(file: Path) -> None:
    assert play(load(file)) == []


def test_every_difference_is_reported() -> None:
    step = {"command": HIT, "expect": WRONG}
    played = play(msgspec.convert({"title": "wrong", "step": [{"command": OPENING}, step]}, Scenario))
    facts = [
        "exit code 0",
        "'accepted'",
        "SL AT ENTRY",
        "+0.50R",
        ", number: 1,",
        ", edited: True,",
        "signals-premium has 0",
    ]
    facts += ["0 companions", "signal 1, state", "signal 1, result", "signal 1, targets", "the requests were"]
    assert [fact in line for fact, line in zip(facts, played, strict=True)] == [True] * len(facts)


def test_derived_numbers_must_fit_to_the_last_decimal() -> None:
    table = {"title": "one third", "step": [{"command": OPENING}, {"command": HIT}]}
    parts = [{"share": "50", "price": "1.11"}]
    for r, differs in (("1/2", 0), ("500000000000000001/1000000000000000000", 1)):
        closed = {"command": "signals close 1 --price 1.1 --timeout 0.5"}
        expect = {"signals": {"1": {"result": {"r": r}, "parts": [*parts, {"share": "50", "price": "1.1"}]}}}
        played = play(msgspec.convert({**table, "step": [*table["step"], closed], "expect": expect}, Scenario))
        assert len(played) == differs


@pytest.mark.parametrize(
    "text",
    [
        "step = []",
        'title = "x"\n[[step]]\nlater = "10 years"',
        'title = "x"\n[[step]]\nlater = "10s"\nwait = 1',
        'title = "x"\n[[step]]\ncandles = ["2026-03-02T10:00:00Z 1 1 1 1"]',
        'title = "x"\n[[step]]\ncommand = "check"\nexpected = {}',
        'title = "x',
    ],
)
def test_a_file_that_cannot_be_played_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises((tomllib.TOMLDecodeError, msgspec.ValidationError)):
        load(file)


def test_time_passes_for_a_service_and_the_script_reports_it(tmp_path: Path) -> None:
    file = tmp_path / "wait.toml"
    closed = "signals close 1 --reason stop --timeout 0"
    steps = [f'command = "{OPENING}"', f'command = "{closed}"', "wait = 1.3\nexpect = { companions = 1 }"]
    file.write_text("".join(['title = "x"\n', *(f"[[step]]\n{step}\n" for step in steps)]), encoding="utf-8")
    assert [_script(file), _script(tmp_path)] == [0, 1]


def _script(*arguments: Path) -> int:
    return subprocess.run([RUN, *arguments], capture_output=True, timeout=60, check=False).returncode
