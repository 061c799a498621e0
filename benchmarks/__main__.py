"""Runs all benchmarks or the named ones: `python -m benchmarks [--json] [NAME ...]`.

Measures each cost beside a floor or another library. With --json, each figure is a line: benchmark, bench, ours, unit,
beside, ratio, cpu_us, target, holds.
"""

import argparse
import json
import platform
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


def main(arguments: list[str] | None = None) -> None:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n\n")[2])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all if there is none")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each figure")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"unknown benchmark: {', '.join(unknown)}. Use one of: {', '.join(NAMES)}")
    if not options.json:
        print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}; medians of rounds")
    for benchmark in options.names or NAMES:
        rows = import_module(f"benchmarks.{benchmark}").rows()
        if options.json:
            for row in rows:
                print(json.dumps({"benchmark": benchmark} | row._asdict(), ensure_ascii=False), flush=True)
        else:
            show(benchmark, rows)


if __name__ == "__main__":
    main()
