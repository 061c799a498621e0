from typing import Any

import pytest

from signalpost import UserTier
from signalpost.errors import InvalidValue
from signalpost.sinks.discord.cards.look import Colours, Event, Look, Roles, Sending


@pytest.mark.parametrize(
    ("make", "field", "code", "limit"),
    [
        (lambda: Look(disclaimer=" "), "disclaimer", "missing", None),
        (lambda: Look(disclaimer="x" * 51), "disclaimer", "too-long", "50"),
        (lambda: Look(username=""), "username", "missing", None),
        (lambda: Look(username="x" * 81), "username", "too-long", "80"),
        (lambda: Look(username="My DisCord bot"), "username", "reserved-name", None),
        (lambda: Look(avatar_url="file:///ann.png"), "avatar_url", "not-a-url", None),
        (lambda: Look(avatar_url="https://" + "x" * 2041), "avatar_url", "not-a-url", None),
        (lambda: Look(avatar_url="https://discord.com/api/webhooks/1/x"), "avatar_url", "not-a-url", None),
        (lambda: Colours(blue=-1), "blue", "out-of-range", "0 to 16777215"),
        (lambda: Colours(violet=0x1000000), "violet", "out-of-range", "0 to 16777215"),
        (lambda: Roles("premium"), "role", "invalid-role", "17 to 20 digits"),
        (lambda: Roles(None, {Event.STOP: "123"}), "role", "invalid-role", "17 to 20 digits"),
    ],
)
def test_a_setting_that_cannot_be_shown_is_refused(make: Any, field: str, code: str, limit: str | None) -> None:
    with pytest.raises(InvalidValue) as refused:
        make()
    fault = refused.value.errors[0]
    assert (fault.field, fault.code, fault.limit) == (field, code, limit)


def test_the_defaults_are_on_ping_nobody_and_fit() -> None:
    look = Look()
    assert {event for event in Event if look.sending(event) is not Sending.ON} == {Event.RESOLVED}
    assert all(look.role(UserTier.PREMIUM, event) is None for event in Event)
    assert 0 < len(look.disclaimer) <= 50


def test_every_colour_differs() -> None:
    colours = Colours()
    assert len({getattr(colours, name) for name in colours.__struct_fields__}) == 6
