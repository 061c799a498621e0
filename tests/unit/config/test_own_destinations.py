"""Destinations and tiers of the operator's own, which a file adds."""

from pathlib import Path

import pytest

from signalpost import InvalidConfiguration, UserTier
from signalpost.config import Config
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits
from signalpost.delivery.routing import Tier
from tests.unit.config.webhooks import url

GOLD = f'[destinations.signals-gold]\nwebhook = "{url()}"\n'


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, **environment: str) -> Config:
    file = Path("s.toml")
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return Config.from_environment({"SIGNALPOST_CONFIG": "s.toml", **environment})


def faults(text: str, **environment: str) -> list[str]:
    with pytest.raises(InvalidConfiguration) as fault:
        read(text, **environment)
    return str(fault.value).splitlines()


def test_a_file_alone_is_a_configuration_with_tiers_and_paces() -> None:
    config = read(
        f"""
        [destinations.signals-free]
        webhook = "{url(1)}"
        messages_a_minute = 12
        [destinations.signals-gold]
        webhook = "{url(2)}"
        [tiers.Gold]
        rank = 15
        signals_to = ["signals-gold", "signals-gold"]
        """
    )
    assert {each.name: each.limits for each in config.destinations} == {
        "signals-free": Limits(12),
        "signals-gold": Limits(30),
    }
    assert config.tiers == {UserTier("gold"): Tier(15, ("signals-gold",))}
    assert config.notes == ()


def test_limits_off_takes_the_paces_of_a_file_away_too() -> None:
    config = read(f"limits = false\n{GOLD}messages_a_minute = 3")
    assert config.destinations[0].limits == NOTHING_ASSUMED


def test_a_destination_of_ones_own_has_a_variable_made_of_its_name() -> None:
    config = read("[destinations.signals-gold]\n", DISCORD_WEBHOOK_SIGNALS_GOLD=url(3))
    assert [(each.name, each.webhook.reveal()) for each in config.destinations] == [("signals-gold", url(3))]
    assert not any("is not known" in note for note in config.notes)


def test_a_destination_of_ones_own_without_a_webhook_is_a_fault() -> None:
    assert faults("[destinations.gold]\n") == [
        "s.toml: destinations.gold: it has no webhook: give it one, or set DISCORD_WEBHOOK_GOLD"
    ]
    (told,) = faults("[destinations.signal-free]\n")
    assert told.endswith("DISCORD_WEBHOOK_SIGNAL_FREE; did you mean signals-free?")


def test_a_usual_destination_without_a_webhook_is_none() -> None:
    assert read("[destinations.community]\nmessages_a_minute = 3").destinations == ()


@pytest.mark.parametrize("name", ["signals_free", "url", "a-b", "x-file"])
def test_two_destinations_cannot_have_one_variable(name: str) -> None:
    """`x-file` would have the variable that names the file of `x`."""
    others = "".join(f"[destinations.{other}]\nwebhook = '{url(n)}'\n" for n, other in enumerate(("a_b", "x")))
    (told,) = faults(f'{others}[destinations.{name}]\nwebhook = "{url(5)}"')
    assert told.startswith(f"s.toml: destinations.{name}: its variable DISCORD_WEBHOOK_")


@pytest.mark.parametrize("name", ["Gold", "-gold", '"gold.one"', '""', "a" * 33, '"gold\\n"'])
def test_a_destination_has_a_name_that_can_stand_in_a_variable(name: str) -> None:
    (told,) = faults(f'[destinations.{name}]\nwebhook = "{url()}"')
    assert told.endswith(": no name of a destination: give 1 to 32 of a-z, 0-9, - and _")


def test_a_destination_to_which_nothing_goes_is_warned_of() -> None:
    assert read(GOLD).notes == ("nothing goes to signals-gold: name it in the signals_to of a tier",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('signals_to = ["signals-gold"]', "s.toml: tiers.gold: it has no rank: give one; free is 0, premium 10"),
        ('rank = "x"\nsignals_to = ["signals-gold"]', "s.toml: tiers.gold.rank: it is text: give a whole number"),
        ('rank = 1001\nsignals_to = ["signals-gold"]', "s.toml: tiers.gold.rank: '1001' is not a rank: give 0 to 1000"),
        ("rank = 15", "s.toml: tiers.gold.signals_to: it is not a list of destinations: give one such as"),
        ("rank = 15\nsignals_to = []", "s.toml: tiers.gold.signals_to: it is not a list of destinations"),
        ("rank = 15\nsignals_to = [1]", "s.toml: tiers.gold.signals_to: it lists something that is not text"),
        (
            'rank = 15\nsignals_to = ["signals-gol"]',
            "s.toml: tiers.gold.signals_to: signals-gol is no destination: did you mean signals-gold?",
        ),
    ],
)
def test_a_tier_that_cannot_be_meant_is_a_fault(text: str, told: str) -> None:
    (fault,) = faults(f"{GOLD}[tiers.gold]\n{text}")
    assert fault.startswith(told)


def test_a_tier_may_send_to_a_usual_destination_that_has_no_webhook_which_is_warned_of() -> None:
    config = read(f'{GOLD}[tiers.gold]\nrank = 10\nsignals_to = ["signals-gold", "signals-premium"]')
    assert config.tiers[UserTier("gold")].signals_to == ("signals-gold", "signals-premium")
    assert any(warning.startswith("no webhook for signals-free, signals-premium, ") for warning in config.warnings)


def test_a_tier_that_would_show_its_signals_to_a_lower_one_is_a_fault() -> None:
    """P10, told together with everything else and before any start."""
    told, _ = faults('[tiers.gold]\nrank = 15\nsignals_to = ["signals-free"]', SIGNALPOST_WORKERS="many")
    assert told.startswith("s.toml: tiers: tier 'gold' has rank 15, and signals-free is read by tiers of rank 0")


def test_the_signals_of_a_usual_tier_can_go_elsewhere_but_its_rank_stays() -> None:
    """P10: a premium of rank 0 could be shown to everybody."""
    config = read(f'{GOLD}[tiers.premium]\nsignals_to = ["signals-gold"]')
    assert config.tiers == {UserTier.PREMIUM: Tier(10, ("signals-gold",))}
    assert read(f'{GOLD}[tiers.premium]\nrank = 10\nsignals_to = ["signals-gold"]').tiers == config.tiers
    (told,) = faults(f'{GOLD}[tiers.premium]\nrank = 0\nsignals_to = ["signals-gold"]')
    assert told == "s.toml: tiers.premium.rank: that of premium is 10: leave it out"


def test_a_tier_that_stands_twice_is_a_fault() -> None:
    tiers = "".join(f'[tiers.{name}]\nrank = 15\nsignals_to = ["signals-gold"]\n' for name in ("gold", "GOLD"))
    assert faults(f"{GOLD}{tiers}") == ["s.toml: tiers.GOLD: it stands twice, in other letters: take one of them away"]


def test_a_name_that_is_no_tier_is_a_fault() -> None:
    (told,) = faults('[tiers."a tier"]\nrank = 15\nsignals_to = ["community"]')
    assert told.endswith("it is not a valid tier name: give 1 to 32 letters, digits, - and _")


def test_the_single_webhook_can_stand_in_a_file_with_its_pace() -> None:
    config = read(f'[destinations.default]\nwebhook = "{url()}"\nmessages_a_minute = 7')
    assert (config.everything_to, config.destinations[0].limits) == ("default", Limits(7))
