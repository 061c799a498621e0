import pytest

from signalpost import UserTier
from signalpost.delivery.facts import OWNER, owner_fact, read_owner
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts
from signalpost.delivery.routing import NO_WEBHOOK, Route, Tier
from tests.tmpfs import new_core
from tests.unit.delivery.intake_harness import signal

VIP = UserTier("vip")


def test_the_owners_routing_is_read_back_from_the_store() -> None:
    core = new_core()
    fact = owner_fact("12 ab", ["signals-free", "vip"], {VIP: Tier(30, ("vip",))}, None)
    core.apply([SaveFacts(OWNER, fact)])
    (facts,) = core.apply([LoadFacts(OWNER)])
    owner = read_owner(facts)
    assert owner is not None
    assert owner.holder == "12 ab"
    assert owner.routing.route(signal(), VIP) == (Route("vip"),)
    assert owner.routing.route(signal(), UserTier.FREE) == (Route("signals-free"),)
    assert owner.routing.route(signal(), UserTier.PREMIUM) == (Route("signals-premium", NO_WEBHOOK),)


def test_a_single_channel_for_everything_is_kept() -> None:
    owner = read_owner(owner_fact("12 ab", ["default"], {}, "default"))
    assert owner is not None
    assert owner.routing.route(signal(), VIP) == (Route("default"),)


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
def test_an_unreadable_owner_fact_counts_as_none(facts: dict[str, bytes]) -> None:
    assert read_owner(facts) is None
