"""Every store, in every shell, keeps the promises of an outbox."""

from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from pathlib import Path

import pytest

from signalpost.delivery.outbox import STORES
from signalpost.delivery.outbox.inline import InlineOutbox
from signalpost.delivery.outbox.port import Core, Outbox
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.testing.outbox_contract import CHECKS, check_outbox

SHELLS = (InlineOutbox, ThreadedOutbox)


def makers(folder: Path) -> dict[str, Callable[[], Core]]:
    """How a new, empty core of each store is made."""
    numbers = count()
    arguments: dict[str, Callable[[], tuple[Path, ...]]] = {
        "memory": tuple,
        "sqlite": lambda: (folder / f"{next(numbers)}.db",),
    }
    return {name: lambda name=name: _class(name)(*arguments[name]()) for name in STORES}  # type: ignore[misc]


def _class(store: str) -> type:
    module, _, name = STORES[store].partition(":")
    found: type = getattr(import_module(module), name)
    return found


@pytest.fixture(
    params=[(store, shell) for store in STORES for shell in SHELLS], ids=lambda each: f"{each[0]}-{each[1].__name__}"
)
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Outbox]]:
    store, shell = request.param
    make = makers(tmp_path)[store]
    made: list[Outbox] = []

    def outbox() -> Outbox:
        made.append(shell(make()))
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
