"""A destination's fallbacks: which are valid, and who reads a destination that is nothing but a fallback."""

from datetime import timedelta
from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config, DestinationConfig
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.secret import Secret
from tests.unit.config.test_own_destinations import read
from tests.unit.config.webhooks import url


def text(*extra: str, **fallbacks: str) -> str:
    """A file with the three usual destinations, two others, a tier of rank 5, and these fallbacks."""
    names = ("signals-free", "signals-premium", "alerts-critical", "community", "spare", "low", *extra)
    tables = [
        f'[destinations.{name}]\nwebhook = "{url(number)}"\n{fallbacks.get(name.replace("-", "_"), "")}\n'
        for number, name in enumerate(names)
    ]
    return "\n".join([*tables, '[tiers.low]\nrank = 5\nsignals_to = ["low"]\n'])


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_fallbacks_and_their_wait_are_read() -> None:
    config = read(text(signals_free='fallbacks = ["spare", "signals-premium"]\nfall_back_after = "30s"'))
    free, premium = config.destinations[:2]
    assert (free.fallbacks, free.fall_back_after) == (("spare", "signals-premium"), timedelta(seconds=30))
    assert (premium.fallbacks, premium.fall_back_after) == ((), timedelta(minutes=5))
    assert not [note for note in config.notes if "spare" in note]
    assert config.routing().lowest_reader("spare") == 0


def test_a_wait_of_nothing_is_valid() -> None:
    config = read(text(signals_free='fallbacks = ["spare"]\nfall_back_after = "0s"'))
    assert config.destinations[0].fall_back_after == timedelta(0)


@pytest.mark.parametrize(
    ("fallbacks", "code", "value", "limit"),
    [
        ({"signals_free": 'fallbacks = ["signals-fre"]'}, "unknown-word", "signals-fre", None),
        ({"signals_free": 'fallbacks = ["alerts-general"]'}, "unknown-word", "alerts-general", None),
        ({"signals_premium": 'fallbacks = ["signals-free"]'}, "tier-too-low", "signals-free", "10"),
        ({"signals_premium": 'fallbacks = ["low"]'}, "tier-too-low", "low", "10"),
        ({"signals_premium": 'fallbacks = ["community"]'}, "tier-too-low", "community", "10"),
        ({"alerts_critical": 'fallbacks = ["signals-premium"]'}, "tier-too-low", "signals-premium", "20"),
        (
            {"signals_free": 'fallbacks = ["spare"]', "signals_premium": 'fallbacks = ["spare"]'},
            "tier-too-low",
            "spare",
            "10",
        ),
        ({"signals_free": 'fallbacks = ["signals-free"]'}, "same-webhook", "signals-free", "signals-free"),
        ({"signals_free": 'fallbacks = ["spare", "spare"]'}, "same-webhook", "spare", "spare"),
        (
            {"signals_free": 'fallbacks = ["spare"]', "spare": 'fallbacks = ["low"]', "low": 'fallbacks = ["spare"]'},
            "loop",
            "low",
            None,
        ),
        ({"signals_free": "fallbacks = 3"}, "invalid-setting", None, None),
        ({"signals_free": "fallbacks = [3]"}, "invalid-setting", None, None),
        ({"signals_free": 'fall_back_after = "soon"'}, "invalid-time", "'soon'", "0s to 7d"),
    ],
)
def test_each_invalid_fallback_is_a_fault(
    fallbacks: dict[str, str], code: str, value: str | None, limit: str | None
) -> None:
    with pytest.raises(InvalidConfiguration) as error:
        read(text(**fallbacks))
    fault = next(each for each in error.value.errors if each.code == code)
    assert (fault.field or "").startswith("destinations.")
    assert fault.field is not None
    assert fault.field.rpartition(".")[2] in {"fallbacks", "fall_back_after"}
    assert fault.value == value
    if limit is not None:
        assert fault.limit == limit
    assert fault.text.startswith("s.toml: destinations.")


def test_the_faults_of_fallbacks_are_reported_with_all_others() -> None:
    faulty = text(
        signals_free='fallbacks = ["nope", "off", "signals-premium", "signals-premium"]',
        signals_premium='fallbacks = ["low"]',
    )
    with pytest.raises(InvalidConfiguration) as error:
        read(f"workers = 99\n{faulty}[tiers.free]\nrank = 7\n[destinations.off]\nfallbacks = ['nine', 'spare']\n")
    found = [(fault.field, fault.code, fault.value) for fault in error.value.errors if fault.field != "webhook"]
    assert ("workers", "out-of-range", None) in [(field, code, None) for field, code, _ in found]
    assert [each for each in found if (each[0] or "").endswith("fallbacks")] == [
        ("destinations.off.fallbacks", "unknown-word", "nine"),
        ("destinations.signals-free.fallbacks", "unknown-word", "nope"),
        ("destinations.signals-free.fallbacks", "same-webhook", "signals-premium"),
    ], "the tiers are faulty too, so it is not known who reads low"
    assert all(fault.text.startswith("s.toml: ") for fault in error.value.errors)


def destination(name: str, number: int, *fallbacks: str) -> DestinationConfig:
    return DestinationConfig(name, Secret(url(number)), NOTHING_ASSUMED, fallbacks=fallbacks)


def test_two_names_of_one_webhook_are_a_fault_in_a_program_too(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as error:
        Config(home=tmp_path, destinations=(destination("signals-free", 1, "b"), destination("b", 1)))
    (fault,) = error.value.errors
    assert (fault.code, fault.field, fault.value) == ("same-webhook", "destinations.signals-free.fallbacks", "b")


def test_a_program_may_set_fallbacks(tmp_path: Path) -> None:
    config = Config(home=tmp_path, destinations=(destination("signals-free", 1, "b"), destination("b", 2)))
    assert config.routing().fallbacks("signals-free").by_tier["free"] == ("b",)  # type: ignore[index]
