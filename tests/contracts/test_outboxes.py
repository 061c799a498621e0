"""The store keeps the promises of an outbox, with and without its thread."""

from collections.abc import Callable, Iterator

import pytest

from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.testing.outbox_contract import CHECKS, check_outbox
from tests.inline_outbox import InlineOutbox
from tests.tmpfs import new_core

SHELLS = (InlineOutbox, ThreadedOutbox)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell.__name__)
def factory(request: pytest.FixtureRequest) -> Iterator[Callable[[], Outbox]]:
    made: list[Outbox] = []

    def outbox() -> Outbox:
        made.append(request.param(new_core()))
        return made[-1]

    yield outbox
    assert made, "the test used no outbox"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_it_keeps_its_promise(check: Callable[[Outbox], object], factory: Callable[[], Outbox]) -> None:
    outbox = factory()
    try:
        await check(outbox)  # type: ignore[misc]
    finally:
        await outbox.close()


async def test_all_promises_are_checked_at_once(factory: Callable[[], Outbox]) -> None:
    await check_outbox(factory)
