import pytest

from signalpost.sinks.discord import limits
from signalpost.sinks.discord.embed import embed
from signalpost.sinks.discord.message import card_of
from tests.unit.sinks.notifications import alert, analysis, notification, signal

FACTS = {f"fact_{number}": "x" * number for number in range(40)}


@pytest.mark.parametrize(
    "payload", [signal(notes="n" * 300), alert(message="m" * 300, source="s"), analysis(text="t" * 3000)]
)
def test_an_embed_never_exceeds_its_size(payload) -> None:
    item = notification(payload, FACTS, run="r")
    card = card_of(item)
    sizes = [limits.size(embed(card, item, may_repeat=True, most=most)) for most in range(150, 1500)]
    assert all(size <= most for most, size in enumerate(sizes, start=150))
    assert all(size > most * 0.8 for most, size in enumerate(sizes[:500], start=150)), "and uses what it is given"


def test_fixed_fields_are_dropped_whole_and_from_the_end() -> None:
    item = notification(signal())
    whole = [field["name"] for field in embed(card_of(item), item, may_repeat=False)["fields"]]
    for most in range(40, 400):
        names = [field["name"] for field in embed(card_of(item), item, may_repeat=False, most=most).get("fields", [])]
        assert names == whole[: len(names)]


def test_space_for_exactly_one_more_field_is_used() -> None:
    item = notification(signal())
    size = limits.size(embed(card_of(item), item, may_repeat=False))
    exact = embed(card_of(item), item, may_repeat=False, most=size)
    assert limits.size(exact) == size
    assert len(embed(card_of(item), item, may_repeat=False, most=size - 1)["fields"]) == len(exact["fields"]) - 1
