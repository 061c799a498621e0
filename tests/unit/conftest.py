from datetime import timedelta

import pytest

from signalpost.delivery.dispatch import gate
from signalpost.delivery.outbox import amend


@pytest.fixture
def news_leaves_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message beside a card usually waits a second for the card, or ten for more news; it has tests of its own."""
    monkeypatch.setattr(amend, "FOR_ITS_CARD", timedelta(seconds=0.05))
    monkeypatch.setattr(amend, "_TOGETHER", timedelta(seconds=0.05))


@pytest.fixture
def early_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle destination is usually looked at after a second; see the tests of dispatch."""
    monkeypatch.setattr(gate, "LOOK_AFTER", 0.05)
