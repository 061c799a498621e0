"""Side-by-side timing: contestants take turns, so that noise on the machine affects all of them."""

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
    """The median seconds of each contestant; each round runs all of them once."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            started = perf_counter()
            contestant()
            taken[name].append(perf_counter() - started)
    return {name: median(each) for name, each in taken.items()}


def turns(contestants: Mapping[str, Callable[[Path], Figure]], rounds: int = ROUNDS) -> dict[str, list[Figure]]:
    """The results of each contestant per round; each round runs all of them once, each in a new folder."""
    results: dict[str, list[Figure]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            with TemporaryDirectory() as folder:
                results[name].append(contestant(Path(folder)))
    return results


def ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    """The median of the ratios per round, because both contestants of a round met the same load."""
    return median(one / other for one, other in zip(ours, floor, strict=True))


def process(*arguments: str) -> Callable[[], object]:
    """A contestant that runs a new Python process with `arguments`."""
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
