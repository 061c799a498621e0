"""A strategy as people write it: `python strategy.py`, told by lines of JSON what to offer, until standard input ends.

`{"offer": ["a", "b"], "every": 0.5}` offers a signal for each name, so many seconds apart, and is answered with what
the tickets say and when each was offered. With `"many": "low"` they are offered all at once by a service of its own
event loop, in that priority.
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
        signal_id=f"foreign-{name}",
    )


def say(**told: Any) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def by_the_easy_layer() -> None:
    """From a plain thread, as most strategies run."""
    on_strategy_start()
    say(running=True)
    pause = threading.Event()
    for line in sys.stdin:
        told = json.loads(line)
        offered, futures = {}, []
        for name in told["offer"]:
            offered[name] = time.monotonic()
            futures.append(send_signal(idea(name), additional_context={"Name": name}))
            pause.wait(told.get("every", 0))
        say(offered=offered, outcomes=Counter(future.result(30).outcome.value for future in futures))
    flush(timeout=60)
    say(left=int(on_strategy_stop()))


async def by_the_service() -> None:
    """From an event loop, with a service of its own."""
    loop = asyncio.get_running_loop()
    service = AsyncNotificationService()
    await service.start()
    say(running=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        told = json.loads(line)
        priority = NotificationPriority[told["priority"]]
        at = time.monotonic()
        tickets = await asyncio.gather(
            *(service.queue_notification(idea(name), priority, None, {"Name": name}) for name in told["offer"])
        )
        say(offered=dict.fromkeys(told["offer"], at), outcomes=Counter(ticket.outcome.value for ticket in tickets))
    say(left=len(await service.stop(0)))


if __name__ == "__main__":
    if sys.argv[1:] == ["service"]:
        asyncio.run(by_the_service())
    else:
        by_the_easy_layer()
