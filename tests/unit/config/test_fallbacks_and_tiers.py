"""P10: no fallback of a valid configuration shows anything to a lower tier, whatever an operator writes."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost import Alert, Announcement, UserTier
from signalpost.config import DestinationConfig
from signalpost.config.destinations import fallback_faults
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.delivery.routing import Routing, Tier, ranks_of
from signalpost.domain.notification import Payload
from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret
from tests.size import size
from tests.unit.config.webhooks import url
from tests.unit.delivery.intake_harness import signal

OWN = ("a", "b", "c", "d")
NAMES = ("signals-free", "signals-premium", "alerts-critical", "alerts-general", "community", *OWN)
KINDS: dict[str, Payload] = {
    "alert": Alert(alert_type="t", severity="low", title="t"),
    "announcement": Announcement(title="t", text="t"),
}
READ_BY_OPERATORS = ("alerts-critical", "alerts-general", "system-status")

lists = st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple)
tiers = st.dictionaries(
    st.sampled_from([UserTier(name) for name in ("low", "gold", "vip")]),
    st.builds(Tier, st.sampled_from((0, 5, 15, 50)), st.sampled_from([(name,) for name in OWN])),
    max_size=3,
)


def readers(tiers: dict[UserTier, Tier]) -> dict[str, set[int]]:
    """Counted without the routing: the rank of each tier that is certain to read a destination."""
    known: dict[str, set[int]] = {"signals-free": {0}, "signals-premium": {10}, "community": {0}}
    known |= {name: {20} for name in READ_BY_OPERATORS}
    for tier in tiers.values():
        for name in tier.signals_to:
            known.setdefault(name, set()).add(tier.rank)
    return known


@settings(max_examples=size(300, 3000))
@given(tiers, st.dictionaries(st.sampled_from(NAMES), lists, max_size=5))
def test_whatever_is_passed_on_is_read_by_nobody_lower(
    tiers: dict[UserTier, Tier], fallbacks: dict[str, tuple[str, ...]]
) -> None:
    destinations = [
        DestinationConfig(name, Secret(url(number)), NOTHING_ASSUMED, fallbacks=fallbacks.get(name, ()))
        for number, name in enumerate(NAMES)
    ]
    try:
        routing = Routing(NAMES, tiers=tiers, fallbacks=fallbacks)
    except InvalidConfiguration:
        return
    if tuple(fallback_faults(destinations, routing)):
        return
    known = readers(tiers)
    reached: dict[str, set[int]] = {}
    for tier in ranks_of(tiers):
        for route in routing.route(signal(), tier):
            lowest = min(known[route.destination])  # of those for whom it was sent: premium reads what is for admin
            for name in passed_on_from(routing, route.destination, tier, None):
                assert routing.may_show(signal(), tier, name)
                reached.setdefault(name, set()).add(lowest)
                assert all(lowest <= reader for reader in known.get(name, set()))
    for kind, payload in KINDS.items():
        (route, *_) = routing.route(payload, UserTier.FREE)
        lowest = min(known[route.destination])
        for name in passed_on_from(routing, route.destination, None, kind):
            assert routing.may_show(payload, UserTier.FREE, name)
            reached.setdefault(name, set()).add(lowest)
            assert all(lowest <= reader for reader in known.get(name, set()))
    assert all(len(audiences) == 1 for name, audiences in reached.items() if name not in known)  # of fallbacks alone


def passed_on_from(routing: Routing, origin: str, tier: UserTier | None, kind: str | None) -> list[str]:
    """Where a delivery can come, whatever is unreachable when."""
    found, todo = [], [origin]
    while todo:
        fallbacks = routing.fallbacks(todo.pop())
        after = fallbacks.by_tier.get(tier, ()) if tier is not None else fallbacks.by_kind.get(kind or "", ())
        todo += [name for name in after if name not in found]
        found += [name for name in after if name not in found]
    return found


def test_a_person_cannot_slip_a_lower_tier_in_behind_another_fallback(tmp_path: Path) -> None:
    """signals-premium falls back to a, and a to b, which low reads."""
    tiers = {UserTier("low"): Tier(5, ("b",))}
    fallbacks = {"signals-premium": ("a",), "a": ("b",)}
    destinations = [
        DestinationConfig(name, Secret(url(number)), NOTHING_ASSUMED, fallbacks=fallbacks.get(name, ()))
        for number, name in enumerate(NAMES)
    ]
    routing = Routing(NAMES, tiers=tiers, fallbacks=fallbacks)
    assert [(each.code, each.field, each.value) for each in fallback_faults(destinations, routing)] == [
        ("tier-too-low", "destinations.a.fallbacks", "b")
    ]
