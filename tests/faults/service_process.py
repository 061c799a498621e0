"""The service as a process that can be killed, with an intake for others.

    python service_process.py SECONDS [SOCKET [FASTER]]

It listens on the unix socket SOCKET, by default `intake`, in the current folder. Its heartbeat is FASTER times as fast
as usual, and so is a takeover from a process that does not respond. Each line is a notification as JSON, and its ticket
is returned as a line of JSON. The line `{"ask": "health"}` returns the health and the role. SIGTERM stops it within
SECONDS. The exit code is 0 if nothing is left to deliver, and 1 otherwise.
"""

import asyncio
import json
import logging
import sys
from typing import Any

import msgspec

from signalpost.cli.loop import StopSignal, run
from signalpost.config import Config
from signalpost.domain.notification import Payload
from signalpost.domain.reports import Alert
from signalpost.domain.signal import Signal
from signalpost.service import AsyncNotificationService

SOCKET = "intake"
_KINDS: dict[str, type[Signal | Alert]] = {"signal": Signal, "alert": Alert}


async def _answer(service: AsyncNotificationService, line: dict[str, Any]) -> dict[str, Any]:
    if line.get("ask") == "health":
        status, reasons = service.health()
        metrics = service.get_metrics()
        held = metrics["notifications_held"]
        return {"status": status, "reasons": reasons, "held": held, "role": service.role, "metrics": metrics}
    payload: Payload = _KINDS[line["payload"]["kind"]].from_dict(line["payload"])
    context = {"Name": line["name"]}
    ticket = await service.queue_notification(payload, line["priority"], line["tier"], context, event=line["event"])
    return ticket._asdict() | {"open": service.get_metrics()["queue_depth"]}


def _config(faster: float) -> Config:
    config = Config.from_environment()
    usual = getattr(config, "heartbeat", None)
    if usual is None:  # older sources, against which the tests are tried, have none
        return config
    return msgspec.structs.replace(config, heartbeat=type(usual)(*(each / faster for each in usual)))


async def main(stop_within: float, name: str = SOCKET, faster: str = "1") -> int:
    service = AsyncNotificationService(_config(float(faster)))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await reader.readline()).endswith(b"\n"):
            answer = await _answer(service, json.loads(line))
            writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    async with StopSignal() as stopped:
        await service.start()
        server = await asyncio.start_unix_server(talk, name, limit=1 << 20)
        sys.stdout.write("running\n")
        sys.stdout.flush()
        await stopped.wait()
        server.close()
        left = await service.stop(stop_within)
    return 1 if left else 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s")
    raise SystemExit(run(main(float(sys.argv[1]), *sys.argv[2:])))
