"""Bodies are read beside the event loop, whatever their length: hundreds of small ones may come at once."""

import threading

import pytest

from signalpost.errors import InvalidValue
from signalpost.ingest.kinds import SIGNAL
from signalpost.web.reading import Reader


async def test_a_body_is_read_beside_the_loop() -> None:
    reader = Reader()
    assert await reader.read(threading.get_ident) != threading.get_ident()
    with pytest.raises(InvalidValue):
        await reader.read(lambda: SIGNAL.made(SIGNAL.read({})))
    reader.close()


def test_few_unknown_names_get_a_suggestion_because_each_takes_a_while() -> None:
    found = SIGNAL.read({f"entry_prica{number}": 1 for number in range(99)})
    assert [fault.limit for fault in found.faults].count("entry_price") == 5
    assert len(found.faults) == 99
