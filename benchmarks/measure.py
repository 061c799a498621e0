"""Timing side by side: the contestants take turns, so that a noisy machine is unkind to all of them alike."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter

ROUNDS = 5


def seconds(contestants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """The median seconds of each contestant over so many rounds, each round running all of them once."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            started = perf_counter()
            contestant()
            taken[name].append(perf_counter() - started)
    return {name: median(each) for name, each in taken.items()}


def process(*arguments: str) -> Callable[[], object]:
    """A contestant that starts this Python anew with `arguments` and waits for its end."""
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
