"""A strategy as users write it. It reads lines of JSON until standard input ends.

`{"send": ["a", "b"], "every": 0.5}` sends a signal for each name, so many seconds apart. The answer has the outcomes of
the tickets and the time at which each was sent. `python strategy.py service` sends all of them at once through a
service in its own event loop, with the `priority` of the line.
"""

import asyncio
import json
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from signalpost import (
    AsyncNotificationService,
    NotificationPriority,
    Signal,
    flush,
    on_strategy_start,
    on_strategy_stop,
    send_signal,
)


def idea(name: str) -> Signal:
    return Signal(
        pair="EURUSD",
        timeframe="H4",
        signal_type="BUY",
        entry_price="1.1634",
        timestamp=datetime.now(UTC),
        signal_id=f"test-{name}",
    )


def say(**answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def by_the_easy_layer() -> None:
    """From a thread without an event loop, like most strategies."""
    on_strategy_start()
    say(running=True)
    pause = threading.Event()
    for line in sys.stdin:
        command = json.loads(line)
        sent, futures = {}, []
        for name in command["send"]:
            sent[name] = time.monotonic()
            futures.append(send_signal(idea(name), additional_context={"Name": name}))
            pause.wait(command.get("every", 0))
        say(sent=sent, outcomes=Counter(future.result(30).outcome.value for future in futures))
    flush(timeout=60)
    say(left=int(on_strategy_stop()))


async def by_the_service() -> None:
    """From an event loop, with its own service."""
    loop = asyncio.get_running_loop()
    service = AsyncNotificationService()
    await service.start()
    say(running=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        priority = NotificationPriority[command["priority"]]
        at = time.monotonic()
        tickets = await asyncio.gather(
            *(service.queue_notification(idea(name), priority, None, {"Name": name}) for name in command["send"])
        )
        say(sent=dict.fromkeys(command["send"], at), outcomes=Counter(ticket.outcome.value for ticket in tickets))
    say(left=len(await service.stop(0)))


if __name__ == "__main__":
    if sys.argv[1:] == ["service"]:
        asyncio.run(by_the_service())
    else:
        by_the_easy_layer()
