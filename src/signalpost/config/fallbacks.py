"""Checks which destinations stand in for one that cannot be reached. See docs/promises.md, P10."""

from collections.abc import Iterator, Sequence
from math import inf

from signalpost.config.destinations import DestinationConfig
from signalpost.config.parsers import advice, shown_name
from signalpost.config.settings import DESTINATIONS, FALLBACKS
from signalpost.delivery.routing import Routing, in_order
from signalpost.errors import Fault


def fallback_faults(destinations: Sequence[DestinationConfig], routing: Routing) -> Iterator[Fault]:
    """The faults in the fallbacks of these destinations."""
    webhooks = {each.name: each.address.identity for each in destinations}
    fallbacks = {each.name: each.fallbacks for each in destinations}
    for each in destinations:
        field = f"{DESTINATIONS}.{each.name}.{FALLBACKS}"
        lowest = routing.lowest_reader(each.name)
        names = {webhooks[each.name]: each.name}
        for name in each.fallbacks:
            if name not in webhooks:
                problem = f"{shown_name(name)} is not a destination with a webhook: {advice(name, webhooks)}"
                yield Fault("unknown-word", problem, field, shown_name(name), ", ".join(webhooks))
            elif (other := names.get(webhooks[name])) is not None:
                problem = f"{name} has the webhook of {other}, and would be gone with it: use another webhook"
                yield Fault("same-webhook", problem, field, name, other)
            elif each.name in in_order(name, fallbacks):
                problem = f"{name} falls back to {each.name} itself: remove one of the two"
                yield Fault("loop", problem, field, name)
            elif routing.lowest_reader(name) < lowest < inf:
                rank = routing.lowest_reader(name)
                problem = f"{name} is read by tiers of rank {rank:g}, and {each.name} only from rank {lowest:g} on"
                yield Fault("tier-too-low", f"{problem}: use another destination", field, name, f"{lowest:g}")
            names[webhooks.get(name, name)] = name
