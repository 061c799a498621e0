"""Answers scrapes of the metrics, with one rendering a second for each format.

See docs/why/0038-one-rendering-for-all-scrapes.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from signalpost.lasting import result_of
from signalpost.telemetry.families import Family
from signalpost.web.service_api import Collect

_OPENMETRICS = "application/openmetrics-text"
FRESH_FOR = 1.0
"""Seconds for which a rendering is used again."""

Text = tuple[bytes, str]
"""A text and its content type."""


class InThread(Protocol):
    """Runs work outside the event loop."""

    def __call__(self, work: Callable[[], Text]) -> Awaitable[Text]:
        """Run the work, and return its result."""
        ...


class _Rendering(NamedTuple):
    began: float
    task: "asyncio.Task[Text]"


class Scrapes:
    """Renders metrics for any number of scrapes, at most once a second for each format."""

    def __init__(self, collect: Collect, in_thread: InThread) -> None:
        self._collect = collect
        self._in_thread = in_thread
        self._last: dict[bool, _Rendering] = {}

    async def text(self, accept: str) -> Text:
        """The text in a format that an Accept header names."""
        is_openmetrics, now = _OPENMETRICS in accept, asyncio.get_running_loop().time()
        last = self._last.get(is_openmetrics)
        if last is None or (last.task.done() and now - last.began >= FRESH_FOR):
            task = asyncio.create_task(self._render(is_openmetrics=is_openmetrics), name="signalpost scrape")
            self._last[is_openmetrics] = last = _Rendering(now, task)
        return await result_of(last.task)

    async def _render(self, *, is_openmetrics: bool) -> Text:
        families = await self._collect()
        return await self._in_thread(partial(_rendered, families, is_openmetrics=is_openmetrics))


def _rendered(families: Sequence[Family], *, is_openmetrics: bool) -> Text:
    from signalpost.telemetry.exposition import rendered  # with prometheus-client: in the thread of the first scrape

    return rendered(families, is_openmetrics=is_openmetrics)
