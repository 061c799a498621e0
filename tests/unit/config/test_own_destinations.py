"""Custom destinations and tiers, which a file adds."""

from pathlib import Path

import pytest

from signalpost import InvalidConfiguration, UserTier
from signalpost.config import Config, variable_of
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits
from signalpost.delivery.routing import Tier
from signalpost.errors import Fault
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


def faults(text: str, **environment: str) -> list[Fault]:
    with pytest.raises(InvalidConfiguration) as error:
        read(text, **environment)
    assert all(fault.text.startswith("s.toml: ") for fault in error.value.errors if "." in (fault.field or ""))
    return list(error.value.errors)


def place(fault: Fault) -> str:
    """The table and key that the text names, after the file."""
    return fault.text.split(":")[1].strip()


def test_a_file_alone_is_a_configuration_with_tiers_and_rates() -> None:
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


def test_limits_off_also_turns_off_the_rates_of_a_file() -> None:
    config = read(f"limits = false\n{GOLD}messages_a_minute = 3")
    assert config.destinations[0].limits == NOTHING_ASSUMED


def test_the_variable_of_a_custom_destination_is_made_from_its_name() -> None:
    config = read("[destinations.signals-gold]\n", DISCORD_WEBHOOK_SIGNALS_GOLD=url(3))
    assert [(each.name, each.webhook.reveal()) for each in config.destinations] == [("signals-gold", url(3))]
    assert not any("DISCORD_WEBHOOK_SIGNALS_GOLD" in note for note in config.notes)


def test_a_custom_destination_without_a_webhook_is_a_fault() -> None:
    (gold,) = faults("[destinations.gold]\n")
    assert (gold.code, gold.field) == ("missing", "destinations.gold.webhook")
    assert "DISCORD_WEBHOOK_GOLD" in gold.text
    (mistyped,) = faults("[destinations.signal-free]\n")
    assert "DISCORD_WEBHOOK_SIGNAL_FREE" in mistyped.text
    assert "signals-free" in mistyped.text


def test_a_usual_destination_without_a_webhook_is_not_configured() -> None:
    assert read("[destinations.community]\nmessages_a_minute = 3").destinations == ()


@pytest.mark.parametrize("name", ["signals_free", "url", "a-b", "x-file"])
def test_two_destinations_cannot_have_one_variable(name: str) -> None:
    """`x-file` would have the variable for the file of `x`."""
    others = "".join(f"[destinations.{other}]\nwebhook = '{url(n)}'\n" for n, other in enumerate(("a_b", "x")))
    (fault,) = faults(f'{others}[destinations.{name}]\nwebhook = "{url(5)}"')
    assert (fault.code, fault.field, place(fault)) == ("conflict", name, f"destinations.{name}")
    assert variable_of(name) in fault.text


@pytest.mark.parametrize("name", ["Gold", "-gold", '"gold.one"', '""', "a" * 33, '"gold\\n"'])
def test_the_name_of_a_destination_must_fit_into_a_variable(name: str) -> None:
    (fault,) = faults(f'[destinations.{name}]\nwebhook = "{url()}"')
    assert (fault.code, fault.field) == ("invalid-name", "destinations")
    assert place(fault).startswith("destinations.")


def test_a_destination_that_gets_no_messages_gets_a_warning() -> None:
    (note,) = read(GOLD).notes
    assert "signals-gold" in note
    assert "signals_to" in note


@pytest.mark.parametrize(
    ("text", "named", "code", "field"),
    [
        ('signals_to = ["signals-gold"]', "tiers.gold", "missing", "tiers.gold.rank"),
        ('rank = "x"\nsignals_to = ["signals-gold"]', "tiers.gold.rank", "wrong-kind", "tiers.gold.rank"),
        ('rank = 1001\nsignals_to = ["signals-gold"]', "tiers.gold.rank", "out-of-range", "tiers.gold.rank"),
        ("rank = 15", "tiers.gold.signals_to", "invalid-setting", "signals_to"),
        ("rank = 15\nsignals_to = []", "tiers.gold.signals_to", "invalid-setting", "signals_to"),
        ("rank = 15\nsignals_to = [1]", "tiers.gold.signals_to", "unknown-word", "signals_to"),
        ('rank = 15\nsignals_to = ["signals-gol"]', "tiers.gold.signals_to", "unknown-word", "signals_to"),
    ],
)
def test_an_invalid_tier_is_a_fault(text: str, named: str, code: str, field: str) -> None:
    (fault,) = faults(f"{GOLD}[tiers.gold]\n{text}")
    assert (place(fault), fault.code, fault.field) == (named, code, field)
    if "1001" in text:
        assert (fault.value, fault.limit) == ("'1001'", "0 to 1000")
    if "signals-gol" in text and code == "unknown-word":
        assert fault.text.count("signals-gold") == 1, "the nearest name is suggested"


def test_a_tier_may_send_to_a_usual_destination_without_a_webhook_with_a_warning() -> None:
    config = read(f'{GOLD}[tiers.gold]\nrank = 10\nsignals_to = ["signals-gold", "signals-premium"]')
    assert config.tiers[UserTier("gold")].signals_to == ("signals-gold", "signals-premium")
    assert any("signals-premium" in warning for warning in config.warnings)


def test_a_tier_that_would_show_its_signals_to_a_lower_one_is_a_fault() -> None:
    """P10, reported together with everything else, before any start."""
    other, fault = faults('[tiers.gold]\nrank = 15\nsignals_to = ["signals-free"]', SIGNALPOST_WORKERS="many")
    assert (place(fault), fault.field) == ("tiers", "tiers")
    assert all(fact in fault.text for fact in ("gold", "15", "signals-free", "0"))
    assert other.field == "SIGNALPOST_WORKERS"


def test_a_file_can_send_the_signals_of_a_usual_tier_elsewhere_but_not_change_its_rank() -> None:
    """P10: a premium of rank 0 could be shown to everybody."""
    config = read(f'{GOLD}[tiers.premium]\nsignals_to = ["signals-gold"]')
    assert config.tiers == {UserTier.PREMIUM: Tier(10, ("signals-gold",))}
    assert read(f'{GOLD}[tiers.premium]\nrank = 10\nsignals_to = ["signals-gold"]').tiers == config.tiers
    (fault,) = faults(f'{GOLD}[tiers.premium]\nrank = 0\nsignals_to = ["signals-gold"]')
    assert (fault.code, fault.field, place(fault)) == ("conflict", "tiers.premium.rank", "tiers.premium.rank")
    assert "10" in fault.text


def test_a_tier_that_is_defined_twice_is_a_fault() -> None:
    tiers = "".join(f'[tiers.{name}]\nrank = 15\nsignals_to = ["signals-gold"]\n' for name in ("gold", "GOLD"))
    (fault,) = faults(f"{GOLD}{tiers}")
    assert (fault.code, fault.field, place(fault)) == ("conflict", "tiers.gold", "tiers.GOLD")


def test_an_invalid_name_of_a_tier_is_a_fault() -> None:
    (fault,) = faults('[tiers."a tier"]\nrank = 15\nsignals_to = ["community"]')
    assert fault.code == "invalid-name"
    assert "a tier" not in fault.text


def test_the_single_webhook_can_be_in_a_file_with_its_rate() -> None:
    config = read(f'[destinations.default]\nwebhook = "{url()}"\nmessages_a_minute = 7')
    assert (config.everything_to, config.destinations[0].limits) == ("default", Limits(7))
