"""The settings of messages: `[cards]` in a file, three variables, and a ticket layout for one destination."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import InvalidConfiguration, UserTier
from signalpost.config import Config, read_sources
from signalpost.config.settings import CARD_SETTINGS, CARDS, COLOURS, COMPANIONS, ROLE_KEYS, TABLE_KEYS, USUAL_ROLE
from signalpost.sinks.discord.cards.look import Colours, Event, Look, Roles, Sending, TicketLayout
from tests.surface.errors import Facts, facts_of
from tests.unit.config.webhooks import TOKEN, url

ROLE, OTHER = "1100000000000000005", "1100000000000000006"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, **environment: str) -> Config:
    Path("s.toml").write_text(text, encoding="utf-8")
    return Config.from_environment({"SIGNALPOST_CONFIG": "s.toml", **environment})


def faults(text: str, **environment: str) -> list[Facts]:
    with pytest.raises(InvalidConfiguration) as error:
        read(text, **environment)
    assert TOKEN not in str(error.value)
    return facts_of(error.value)


def in_cards(line: str, table: str = CARDS) -> str:
    return f"[{table}]\n{line}"


def test_without_settings_messages_look_as_usual() -> None:
    assert Config.from_environment({}).look == Look() == Config(home=Path("x")).look


def test_each_setting_of_a_file_is_a_field_of_the_look() -> None:
    text = f"""
        [cards]
        username = "Ann's signals"
        avatar_url = "https://example.com/ann.png"
        producer = "Ann"
        footer = "ann.example"
        disclaimer = "Not advice"
        disclaimer_on_signals = true
        ticket = "lines"
        [cards.colours]
        blue = "#0000fF"
        violet = "00FF00"
        [cards.companions]
        filled = "Silent"
        closed-by-hand = "off"
        stop = "on"
        [cards.roles.premium]
        usual = "{ROLE}"
        stop = "{OTHER}"
        cancelled = false
        [cards.roles.GOLD]
        critical = "{OTHER}"
        [tiers.gold]
        rank = 15
        signals_to = ["signals-gold"]
        [destinations.signals-gold]
        webhook = "{url()}"
    """
    assert read(text).look == Look(
        username="Ann's signals",
        avatar_url="https://example.com/ann.png",
        producer="Ann",
        footer="ann.example",
        disclaimer="Not advice",
        disclaimer_on_signals=True,
        ticket=TicketLayout.LINES,
        colours=Colours(blue=0x0000FF, violet=0x00FF00),
        companions={Event.FILLED: Sending.SILENT, Event.CLOSED_BY_HAND: Sending.OFF},
        roles={
            UserTier.PREMIUM: Roles(ROLE, {Event.STOP: OTHER, Event.CANCELLED: None}),
            UserTier("gold"): Roles(None, {Event.CRITICAL: OTHER}),
        },
    )
    assert {*TABLE_KEYS[CARDS]} >= {*Look.__struct_fields__} - {"copies", "full_tier"}


def test_a_variable_wins_over_the_file() -> None:
    text = in_cards('username = "file"\nproducer = "file"\ndisclaimer = "file"')
    variables = {"SIGNALPOST_USERNAME": "u", "SIGNALPOST_PRODUCER": "p", "SIGNALPOST_DISCLAIMER": "d"}
    look = read(text, **variables).look
    assert (look.username, look.producer, look.disclaimer) == ("u", "p", "d")
    reading = read_sources({"SIGNALPOST_CONFIG": "s.toml", "SIGNALPOST_PRODUCER": "p"})
    assert reading.origin_by_key["cards.producer"] == "environment"
    assert reading.origin_by_key["cards.username"] == "file"
    assert reading.origin_by_key["cards.colours.red"] == "default"
    assert reading.shown["cards.colours.red"] == "#E7234A"


def test_one_destination_can_have_a_ticket_of_its_own() -> None:
    text = f'[cards]\nproducer = "Ann"\n[destinations.community]\nwebhook = "{url()}"\nticket = "lines"'
    config = read(text, DISCORD_WEBHOOK_SIGNALS_FREE=url(1))
    assert config.look.ticket is config.look_of("signals-free").ticket is TicketLayout.SHORT
    assert config.look_of("community") == Look(producer="Ann", ticket=TicketLayout.LINES)
    assert faults("[destinations.community]\nticket = 1") == [
        Facts("wrong-kind", "destinations.community.ticket", limit='text in quotes, such as "short"')
    ]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            in_cards('username = "a Discord bot"'),
            Facts("reserved-name", "cards.username", "'a Discord bot'"),
        ),
        (in_cards(f'username = "{"x" * 81}"'), Facts("too-long", "cards.username", "a text of 81 characters", "80")),
        (in_cards(f'footer = "{TOKEN}"'), Facts("possible-secret", "cards.footer")),
        (in_cards(f'producer = "see {url()}"'), Facts("possible-secret", "cards.producer")),
        (in_cards('avatar_url = "ann.png"'), Facts("not-a-url", "cards.avatar_url", "'ann.png'")),
        (in_cards(f'avatar_url = "{url()}"'), Facts("not-a-url", "cards.avatar_url", "a text of 120 characters")),
        (
            in_cards(f'disclaimer = "{"x" * 51}"'),
            Facts("too-long", "cards.disclaimer", "a text of 51 characters", "50"),
        ),
        (
            in_cards('disclaimer = " "'),
            Facts("missing", "cards.disclaimer", limit='text in quotes, such as "Not financial advice"'),
        ),
        (
            in_cards("disclaimer_on_signals = 1"),
            Facts("wrong-kind", "cards.disclaimer_on_signals", limit="true or false"),
        ),
        (in_cards('ticket = "long"'), Facts("unknown-word", "cards.ticket", "'long'", "short, lines")),
        (
            in_cards('blue = "#12345"', COLOURS),
            Facts("invalid-colour", "cards.colours.blue", "'#12345'", "#000000 to #FFFFFF"),
        ),
        (
            in_cards('target = "loud"', "cards.companions"),
            Facts("unknown-word", "cards.companions.target", "'loud'", "on, silent, off"),
        ),
        (
            in_cards('new = "on"', "cards.companions"),
            Facts("unknown-field", "new", limit=", ".join(TABLE_KEYS[COMPANIONS])),
        ),
        (
            in_cards('blu = "#000000"', COLOURS),
            Facts("unknown-field", "blu", limit="blue, orange, green, red, grey, violet"),
        ),
        (in_cards("title = 1"), Facts("unknown-field", "title", limit=", ".join(TABLE_KEYS[CARDS]))),
        ("cards = 1", Facts("invalid-setting", "cards")),
        (in_cards("colours = 1"), Facts("invalid-setting", "cards.colours")),
        (in_cards("roles = 1"), Facts("invalid-setting", "cards.roles")),
        (in_cards("premium = 1", "cards.roles"), Facts("invalid-setting", "cards.roles")),
        (
            in_cards('stop = "premium"', "cards.roles.premium"),
            Facts("invalid-role", "cards.roles.premium.stop", "'premium'", "17 to 20 digits"),
        ),
        (in_cards('target = "x"', "cards.roles.premium"), Facts("unknown-field", "target", limit=", ".join(ROLE_KEYS))),
        (in_cards("", "cards.roles.gold"), Facts("unknown-word", "cards.roles.gold", limit="free, premium, admin")),
        (in_cards("", "cards.roles.'?'"), Facts("invalid-name", "cards.roles.a name of 1 characters")),
        (in_cards("[cards.roles.Free]", "cards.roles.free"), Facts("conflict", "cards.roles.Free")),
    ],
)
def test_an_invalid_value_is_reported_with_its_place_and_limit(text: str, facts: Facts) -> None:
    assert faults(text) == [facts]


@pytest.mark.parametrize("value", ["true", "1", "[]"])
def test_a_role_is_an_id_in_quotes_or_false(value: str) -> None:
    (fault,) = faults(in_cards(f"usual = {value}", "cards.roles.premium"))
    assert (fault.code, fault.field) == ("wrong-kind", "cards.roles.premium.usual")


def test_invalid_variables_are_reported_too() -> None:
    assert faults("", SIGNALPOST_USERNAME="clyde", SIGNALPOST_DISCLAIMER="x" * 51) == [
        Facts("reserved-name", "SIGNALPOST_USERNAME", "'clyde'"),
        Facts("too-long", "SIGNALPOST_DISCLAIMER", "a text of 51 characters", "50"),
    ]


@given(st.sampled_from(CARD_SETTINGS))
def test_the_shown_value_of_a_setting_can_be_read_again(setting: Any) -> None:
    shown = setting.parser.show(setting.default)
    text = {True: "on", False: "off"}[shown] if isinstance(shown, bool) else shown
    assert shown == "" or setting.parser.parse(text) == setting.default


def test_only_events_on_which_readers_act_have_a_role() -> None:
    assert {*ROLE_KEYS} - {USUAL_ROLE} == {*Event} - {
        Event.FILLED,
        Event.TARGET,
        Event.CLOSED,
        Event.STOPPED,
        Event.REVERSED,
        Event.REVISED,
        Event.RESOLVED,
    }
