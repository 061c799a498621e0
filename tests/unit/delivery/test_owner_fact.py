import pytest

from signalpost import UserTier
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts
from signalpost.delivery.owner_fact import OWNER, owner_fact, read_owner_fact
from signalpost.delivery.routing import Route, Tier
from tests.tmpfs import new_core
from tests.unit.delivery.door import signal

VIP = UserTier("vip")


def test_what_an_owner_said_is_read_from_the_store_as_it_was_meant() -> None:
    core = new_core()
    fact = owner_fact("12 ab", ["signals-free", "vip-room"], {VIP: Tier(30, ("vip-room",))}, None)
    core.apply([SaveFacts(OWNER, fact)])
    (facts,) = core.apply([LoadFacts(OWNER)])
    told = read_owner_fact(facts)
    assert told is not None
    assert told.holder == "12 ab"
    assert told.routing.route(signal(), VIP) == (Route("vip-room"),)
    assert told.routing.route(signal(), UserTier.FREE) == (Route("signals-free"),)
    assert told.routing.route(signal(), UserTier.PREMIUM) == (Route("signals-premium", "no webhook"),)


def test_the_one_channel_of_everything_stays_that() -> None:
    told = read_owner_fact(owner_fact("12 ab", ["default"], {}, "default"))
    assert told is not None
    assert told.routing.route(signal(), VIP) == (Route("default"),)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"routes": b"no JSON"},
        {"routes": b'{"holder": "1 a"}'},
        {"routes": b'{"holder":"1 a","destinations":[],"tiers":{"no name!":[1,["a"]]},"everything_to":null}'},
        {"routes": b'{"holder":"1 a","destinations":[],"tiers":{"vip":[30,["signals-free"]]},"everything_to":null}'},
    ],
    ids=["none", "text", "a part", "a name", "a tier that a lower one reads"],
)
def test_what_cannot_be_understood_is_as_if_nobody_had_said_anything(facts: dict[str, bytes]) -> None:
    assert read_owner_fact(facts) is None
