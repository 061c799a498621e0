from decimal import Decimal

import numpy as np
import pytest

from signalpost import (
    AlertSeverity,
    AlertStatus,
    CrossoverType,
    InvalidValue,
    NotificationPriority,
    SignalStatus,
    SignalType,
    UserTier,
)
from signalpost.domain.words import member
from signalpost.errors import shown
from tests.surface.errors import Facts, facts_of


@pytest.mark.parametrize(
    "spelling",
    ["BUY", "buy", " Long\n", "bullish", 1, 1.0, "+1", np.int64(1), np.float64(1), Decimal(1), SignalType.BUY],
)
def test_a_side_is_read_from_every_usual_spelling_of_buy(spelling: object) -> None:
    assert SignalType(spelling) is SignalType.BUY
    assert member(SignalType, spelling, "signal_type") is SignalType.BUY


@pytest.mark.parametrize("spelling", ["SELL", "sell", "short", "Bearish", -1, -1.0, "-1", np.int8(-1)])
def test_a_side_is_read_from_every_usual_spelling_of_sell(spelling: object) -> None:
    assert SignalType(spelling) is SignalType.SELL


@pytest.mark.parametrize(
    "spelling",
    ["", "hold", 0, 2, True, False, np.bool_(True), None, [], float("nan"), 10**5000],
    ids=lambda given: type(given).__name__,
)
def test_an_unknown_side_is_refused_with_the_known_ones(spelling: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        member(SignalType, spelling, "side")
    assert facts_of(refusal.value) == [Facts("unknown-word", "side", shown(spelling), "BUY, SELL")]
    assert "BUY, SELL" in str(refusal.value)
    assert len(str(refusal.value)) < 120


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        (SignalType, "BUY, SELL"),
        (CrossoverType, "BULLISH, BEARISH"),
        (SignalStatus, "PENDING, ACTIVE, FILLED, CLOSED, CANCELLED, EXPIRED"),
        (AlertSeverity, "critical, high, medium, low, info"),
        (AlertStatus, "active, acknowledged, resolved, suppressed"),
        (NotificationPriority, "LOW, NORMAL, HIGH, URGENT"),
    ],
)
def test_an_unknown_word_is_refused_with_the_known_ones(kind: type[SignalType], known: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        kind("nothing")
    assert facts_of(refusal.value) == [Facts("unknown-word", kind.__name__, "'nothing'", known)]


@pytest.mark.parametrize(
    "kind", [SignalType, CrossoverType, SignalStatus, AlertSeverity, AlertStatus, NotificationPriority]
)
def test_words_are_read_in_any_case(kind: type[SignalType]) -> None:
    for word in kind:
        assert kind(f" {word.name.lower()} ") is kind(word.name.title()) is kind(word.value) is word


def test_a_side_has_a_sign_and_a_crossover() -> None:
    assert (SignalType.BUY.sign, SignalType.BUY.crossover) == (1, CrossoverType.BULLISH)
    assert (SignalType.SELL.sign, SignalType.SELL.crossover) == (-1, CrossoverType.BEARISH)


def test_priorities_are_ordered_and_read_from_their_numbers() -> None:
    assert sorted(NotificationPriority) == [NotificationPriority(number) for number in (1, 2, 3, 4)]
    assert (
        NotificationPriority.LOW < NotificationPriority.NORMAL < NotificationPriority.HIGH < NotificationPriority.URGENT
    )


def test_tiers_are_lowercase_names_and_operators_can_add_their_own() -> None:
    assert (UserTier.FREE, UserTier.PREMIUM, UserTier.ADMIN) == ("free", "premium", "admin")
    assert type(UserTier(" VIP-Gold_2 ")) is UserTier
    assert UserTier(" VIP-Gold_2 ") == "vip-gold_2"
    assert UserTier(UserTier.FREE) is UserTier.FREE
    assert UserTier("a" * 32) == "a" * 32
    assert repr(UserTier.FREE) == "UserTier('free')"


@pytest.mark.parametrize(
    "given",
    ["", "-x", "a b", "a" * 33, "\xe9", "\u212a", "a\0", None, 1, b"free", 10**5000],
    ids=lambda given: type(given).__name__,
)
def test_an_invalid_tier_name_is_refused_with_examples(given: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        UserTier(given)  # type: ignore[arg-type]
    assert facts_of(refusal.value) == [Facts("unknown-word", "user_tier", shown(given))]
    assert "'free'" in str(refusal.value)
