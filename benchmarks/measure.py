"""Timing side by side: the contestants take turns, so that a noisy machine is unkind to all of them alike."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TypeVar

ROUNDS = 5

Figure = TypeVar("Figure")


def seconds(contestants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """The median seconds of each contestant over so many rounds, each round running all of them once."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            started = perf_counter()
            contestant()
            taken[name].append(perf_counter() - started)
    return {name: median(each) for name, each in taken.items()}


def turns(contestants: Mapping[str, Callable[[Path], Figure]], rounds: int = ROUNDS) -> dict[str, list[Figure]]:
    """What each contestant says of each round, all of them running once a round, each in a new folder."""
    told: dict[str, list[Figure]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            with TemporaryDirectory() as folder:
                told[name].append(contestant(Path(folder)))
    return told


def ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    """The median of the rounds' own ratios: both of a round met the same machine."""
    return median(one / other for one, other in zip(ours, floor, strict=True))


def process(*arguments: str) -> Callable[[], object]:
    """A contestant that starts this Python anew with `arguments` and waits for its end."""
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
