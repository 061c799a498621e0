import pytest

from signalpost import Alert, Announcement, InvalidConfiguration, MarketAnalysis, Signal, SystemStatus, UserTier
from signalpost.delivery.routing import ABOUT_ITSELF, NO_WEBHOOK, Route, Routing, Tier
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.domain.notification import Payload

ALL = [usual.name for usual in USUAL_DESTINATIONS]
SIGNAL = Signal(pair="EURUSD", timeframe="H4", signal_type="BUY", entry_price=1, timestamp="2026-01-05T12:00:00Z")
WHALE = UserTier("whale")


def alert(severity: str) -> Alert:
    return Alert(alert_type="feed", severity=severity, title="t")


@pytest.mark.parametrize(
    ("tier", "destination"),
    [(UserTier.FREE, "signals-free"), (UserTier.PREMIUM, "signals-premium"), (UserTier.ADMIN, "signals-premium")],
)
def test_a_signal_goes_to_its_tiers_one_destination(tier: UserTier, destination: str) -> None:
    assert Routing(ALL).route(SIGNAL, tier) == (Route(destination),)


@pytest.mark.parametrize(
    ("payload", "destination"),
    [
        (alert("critical"), "alerts-critical"),
        (alert("high"), "alerts-critical"),
        (alert("medium"), "alerts-general"),
        (alert("low"), "alerts-general"),
        (alert("info"), "alerts-general"),
        (MarketAnalysis(title="t", text="x"), "market-analysis"),
        (SystemStatus(status="up"), "system-status"),
        (Announcement(title="t", text="x"), "community"),
    ],
)
def test_other_kinds_are_routed_by_kind_whatever_the_tier(payload: Payload, destination: str) -> None:
    for tier in (UserTier.FREE, UserTier.PREMIUM, WHALE):
        assert Routing(ALL).route(payload, tier) == (Route(destination),)


def test_a_signal_without_a_webhook_is_suppressed_and_goes_nowhere_else() -> None:
    """P10: a premium signal never falls back to the free channel."""
    assert Routing(["signals-free"]).route(SIGNAL, UserTier.PREMIUM) == (Route("signals-premium", NO_WEBHOOK),)


def test_a_custom_tier_has_the_destinations_it_names() -> None:
    routing = Routing([*ALL, "whales"], tiers={WHALE: Tier(30, ("whales", "archive"))})
    assert routing.route(SIGNAL, WHALE) == (Route("whales"), Route("archive", NO_WEBHOOK))
    assert routing.route(SIGNAL, UserTier.FREE) == (Route("signals-free"),)


@pytest.mark.parametrize(
    ("tiers", "facts"),
    [
        ({WHALE: Tier(30, ("whales", "signals-premium"))}, ("whale", "signals-premium", "10")),
        ({WHALE: Tier(5, ("signals-free",))}, ("whale", "signals-free", "0")),
        ({WHALE: Tier(30, ("whales",)), UserTier("alpha"): Tier(20, ("whales",))}, ("whale", "whales", "20")),
    ],
)
def test_a_tier_that_a_lower_tier_could_read_is_rejected(
    tiers: dict[UserTier, Tier], facts: tuple[str, str, str]
) -> None:
    """P10, for tiers that an operator adds."""
    with pytest.raises(InvalidConfiguration) as refused:
        Routing(ALL, tiers=tiers)
    (fault,) = refused.value.errors
    assert (fault.code, (fault.field, fault.value, fault.limit)) == ("conflict", facts)


def test_a_tiers_signals_may_go_to_a_destination_of_a_higher_tier() -> None:
    routing = Routing(ALL, tiers={UserTier("trial"): Tier(5, ("signals-premium",))})
    assert routing.route(SIGNAL, UserTier("trial")) == (Route("signals-premium"),)


def test_signals_of_several_tiers_may_go_to_a_destination_of_a_higher_tier() -> None:
    trial, gold = UserTier("trial"), UserTier("gold")
    tiers = {trial: Tier(5, ("signals-premium",)), gold: Tier(7, ("signals-premium",))}
    routing = Routing(ALL, tiers=tiers)
    assert routing.route(SIGNAL, trial) == routing.route(SIGNAL, gold) == (Route("signals-premium"),)
    assert routing.may_show(SIGNAL, UserTier.PREMIUM, "signals-premium")


def test_a_tier_without_configuration_goes_nowhere() -> None:
    assert Routing(ALL).route(SIGNAL, WHALE) == ()


def test_a_single_webhook_gets_everything() -> None:
    routing = Routing(["default"], everything_to="default")
    for payload in (SIGNAL, alert("critical"), SystemStatus(status="up")):
        assert routing.route(payload, UserTier.PREMIUM) == (Route("default"),)


def test_an_unknown_tier_goes_only_to_a_single_webhook_with_a_warning() -> None:
    tiers = {WHALE: Tier(30, ("default",))}
    single = Routing(["default"], everything_to="default", tiers=tiers)
    assert single.route(SIGNAL, UserTier("premum")) == (Route("default"),)
    doubt = single.doubt(UserTier("premum")) or ""
    assert all(name in doubt for name in ("premum", "free", "premium", "admin", WHALE))
    assert single.doubt(UserTier.PREMIUM) is single.doubt(WHALE) is Routing(ALL).doubt(UserTier("premum")) is None


def test_an_alert_about_a_destination_goes_to_another_one_for_operators() -> None:
    assert Routing(ALL).route(alert("high"), UserTier.FREE, "alerts-critical") == (Route("system-status"),)
    assert Routing(ALL).route(alert("high"), UserTier.FREE, "signals-free") == (Route("system-status"),)
    some = Routing(["alerts-critical", "alerts-general", "signals-free"])
    assert some.route(alert("high"), UserTier.FREE, "signals-free") == (Route("alerts-critical"),)
    assert some.route(alert("low"), UserTier.FREE, "(host discord.com)") == (Route("alerts-critical"),)
    few = Routing(["alerts-critical", "alerts-general"])
    assert few.route(alert("high"), UserTier.FREE, "alerts-critical") == (Route("alerts-general"),)


def test_without_a_destination_for_operators_an_alert_about_a_host_is_routed_as_usual() -> None:
    nobody = Routing(["signals-free"])
    assert nobody.route(alert("high"), UserTier.FREE, "(host a)") == (Route("alerts-critical", NO_WEBHOOK),)
    assert nobody.route(alert("high"), UserTier.FREE, "signals-free") == (Route("signals-free", ABOUT_ITSELF),)


def test_an_alert_about_the_only_destination_is_suppressed_with_the_reason() -> None:
    alone = Routing(["alerts-critical"])
    assert alone.route(alert("high"), UserTier.FREE, "alerts-critical") == (Route("alerts-critical", ABOUT_ITSELF),)
    single = Routing(["default"], everything_to="default")
    assert single.route(alert("high"), UserTier.FREE, "default") == (Route("default", ABOUT_ITSELF),)
