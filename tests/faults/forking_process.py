"""A process with a running service that forks. It and its child print lines of JSON.

    python forking_process.py

The parent owns the data folder. Its child tries the inherited service, starts its own, and queues an alert beside its
parent. Then it waits until it is the owner, because its parent was killed, and queues another.
"""

import asyncio
import json
import os
import sys
import threading
from typing import Any

from signalpost.domain.reports import Alert
from signalpost.service import AsyncNotificationService, Role


def _say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _alert(title: str) -> Alert:
    return Alert(alert_type="feed", severity="high", title=title)


async def _as_child(inherited: AsyncNotificationService) -> None:
    ticket = await inherited.queue_notification(_alert("inherited"))
    _say(inherited=ticket, status=inherited.health().status, left=await inherited.drain() + await inherited.stop())
    async with AsyncNotificationService() as service:
        ticket = await service.queue_notification(_alert("of the child"))
        open_ones = await service.drain(30)
        _say(role=service.role, child=ticket, open=open_ones, process=os.getpid())
        while service.role is not Role.OWNER:
            await asyncio.sleep(0.01)
        ticket = await service.queue_notification(_alert("of the heir"))
        _say(role=service.role, heir=ticket, open=await service.drain(30))


def main() -> None:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    service = AsyncNotificationService()
    asyncio.run_coroutine_threadsafe(service.start(), loop).result()
    put = service.queue_notification(_alert("of the parent"))
    _say(parent=asyncio.run_coroutine_threadsafe(put, loop).result(), role=service.role)
    if os.fork() == 0:
        try:
            asyncio.run(_as_child(service))
        finally:
            os._exit(0)
    threading.Event().wait()


if __name__ == "__main__":
    main()
