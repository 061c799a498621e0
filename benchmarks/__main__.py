"""Runs all benchmarks or the named ones: `python -m benchmarks [NAME ...]`."""

import platform
import sys
from importlib import import_module

from benchmarks.table import show

NAMES = ("strategy", "startup", "outbox", "intake", "handover", "delivery", "overhead", "memory")

if unknown := set(sys.argv[1:]) - set(NAMES):
    sys.exit(f"unknown benchmark: {', '.join(sorted(unknown))}. Use one of: {', '.join(NAMES)}")
print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}; medians of several rounds")
for name in sys.argv[1:] or NAMES:
    show(name, import_module(f"benchmarks.{name}").rows())
