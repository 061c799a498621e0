"""Runs all benchmarks or the named ones: `python -m benchmarks [--json] [NAME ...]`.

With `--json`, each figure is a line: benchmark, bench, ours, unit, beside, ratio, cpu_us, target, holds.
"""

import json
import platform
import sys
from importlib import import_module

from benchmarks.table import show

NAMES = (
    "strategy",
    "cycle",
    "streams",
    "startup",
    "outbox",
    "intake",
    "handover",
    "delivery",
    "destination",
    "edit",
    "chart",
    "overhead",
    "memory",
)


def main(arguments: list[str]) -> None:
    """Run the named benchmarks, or all."""
    chosen = [argument for argument in arguments if argument != "--json"]
    if unknown := set(chosen) - set(NAMES):
        sys.exit(f"unknown benchmark: {', '.join(sorted(unknown))}. Use one of: {', '.join(NAMES)}")
    as_json = "--json" in arguments
    if not as_json:
        print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}; medians of rounds")
    for benchmark in chosen or NAMES:
        rows = import_module(f"benchmarks.{benchmark}").rows()
        if as_json:
            for row in rows:
                print(json.dumps({"benchmark": benchmark} | row._asdict(), ensure_ascii=False), flush=True)
        else:
            show(benchmark, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
