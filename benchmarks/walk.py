"""Counts the functions that one signal calls: `make walk`, or `python -m benchmarks.walk [--json] [--functions]`.

A program sends two signals through the easy layer to a local Discord in another process. The second is counted, from
the call to the delivery: every function of signalpost that runs in that time, in any thread, including heartbeats.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import signalpost

_SOURCE = str(Path(signalpost.__file__).parent) + os.sep
_WEBHOOK = "DISCORD_WEBHOOK_SIGNALS_FREE"


class Walk:
    """A profile function that counts calls of our functions while `is_on`."""

    def __init__(self) -> None:
        self.is_on = False
        self.calls: Counter[tuple[str, str]] = Counter()
        """By file and name of the function."""

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Count a call."""
        if self.is_on and event == "call" and frame.f_code.co_filename.startswith(_SOURCE):
            self.calls[frame.f_code.co_filename.removeprefix(_SOURCE), frame.f_code.co_qualname] += 1


def main() -> int:
    """Send, count and print."""
    parser = argparse.ArgumentParser(prog="make walk", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--functions", action="store_true", help="also print every function")
    options = parser.parse_args()
    calls = walked().calls
    files = {file for file, _ in calls}
    totals = {"calls": sum(calls.values()), "functions": len(calls), "files": len(files)}
    if options.json:
        print(json.dumps(totals))
        return 0
    print("package        functions  calls")
    for package in sorted({_package(file) for file in files}):
        own = {name: count for name, count in calls.items() if _package(name[0]) == package}
        print(f"{package:14} {len(own):9}  {sum(own.values()):5}")
    print(f"{totals['functions']} functions in {totals['files']} files, {totals['calls']} calls")
    if options.functions:
        for (file, name), count in sorted(calls.items()):
            print(f"{count:4}  {file}  {name}")
    return 0


def walked() -> Walk:
    """Count the calls for one signal."""
    walk = Walk()
    command = [sys.executable, "-u", "-m", "signalpost", "sandbox", "--port", "0", "--limits", "off"]
    with (
        tempfile.TemporaryDirectory() as home,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox,
    ):
        assert sandbox.stdout is not None
        at = next(line.split("http://")[1].split("/")[0] for line in sandbox.stdout if "http://" in line)
        os.environ |= {"SIGNALPOST_HOME": home, _WEBHOOK: f"http://{at}/api/v10/webhooks/free/token"}
        threading.setprofile(walk)
        try:
            _send_two(walk)
        finally:
            threading.setprofile(None)
            sys.setprofile(None)
            sandbox.terminate()
    return walk


def _send_two(walk: Walk) -> None:
    signalpost.on_strategy_start()
    first = signalpost.Signal(
        pair="EURUSD",
        timeframe="H4",
        signal_type="BUY",
        timestamp="2099-01-01T00:00:00Z",
        entry_price="1.1634",
        stop_loss="1.1599",
    )
    signalpost.send_signal(first)
    assert signalpost.flush(10) == 0
    second = first.but(pair="USDCHF", signal_id=None)
    sys.setprofile(walk)
    walk.is_on = True
    ticket = signalpost.send_signal(second)
    assert signalpost.flush(10) == 0
    walk.is_on = False
    assert ticket.result(1).outcome == "accepted"
    signalpost.on_strategy_stop()


def _package(file: str) -> str:
    parts = Path(file).parts
    return "/".join(parts[:2] if parts[0] == "delivery" and len(parts) > 2 else parts[:1])


if __name__ == "__main__":
    sys.exit(main())
