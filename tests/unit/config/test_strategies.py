"""Strategies, which a file adds."""

from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from signalpost import Candle, InvalidConfiguration, MAUnifiedConfig, UserTier
from signalpost.config import Config, StrategyConfig
from signalpost.errors import Fault
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy

FEED = '[feeds.files]\nkind = "folder"\npath = "."\n'
ONE = '[[strategy]]\npair = "EUR/USD"\ntimeframe = "4h"\nfast = 40\nslow = 140\nfeed = "files"\n'
HOW_TO = Path(__file__).parents[3] / "docs/how-to/configure-strategies.md"
OWN = "tests.unit.config.test_strategies"


class Mine(MAUnifiedStrategy):
    """A user's own strategy."""

    def __init__(self, *, pair: str, periods: int) -> None:
        if periods > 9:
            raise (SystemExit if periods > 99 else ValueError)("token-0123456789")
        super().__init__(MAUnifiedConfig(pair=pair, timeframe="H1", fast=1, slow=periods, key="mine"))


class Half:
    """It is not a strategy."""

    def __init__(self, *, pair: str) -> None:
        self.pair = pair

    def on_candle(self, candle: Candle) -> None: ...


class Nameless(Mine):
    """Its configuration lacks the name of its signals."""

    config: Any = SimpleNamespace(pair="EUR_USD", timeframe="H1", stream="x")

    def __init__(self) -> None:
        """Make none."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str) -> Config:
    Path("s.toml").write_text(FEED + dedent(text), encoding="utf-8")
    return Config.from_environment({"SIGNALPOST_CONFIG": "s.toml"})


def faults(text: str) -> list[Fault]:
    with pytest.raises(InvalidConfiguration) as error:
        read(text)
    return list(error.value.errors)


def test_without_a_table_there_are_no_strategies() -> None:
    assert read("").strategies == ()


def test_a_strategy_is_read_as_from_a_file_of_strategies() -> None:
    (strategy,) = read(f"{ONE}min_atr = 0.0002\npoll_seconds = 14400\n").strategies
    assert (strategy.key, strategy.pair, strategy.timeframe) == ("EUR_USD_H4", "EUR_USD", "H4")
    assert (strategy.feed, strategy.tiers, strategy.follow, strategy.kind) == ("files", ("free",), True, "ma-unified")
    made = strategy.make()
    assert isinstance(made, MAUnifiedStrategy)
    assert made.config == MAUnifiedConfig(pair="EUR_USD", timeframe="H4", fast=40, slow=140, min_atr="0.0002")
    assert strategy.make() is not made


def test_tiers_follow_and_key_are_settings_of_a_strategy() -> None:
    text = """
        [[strategy]]
        pair = "EUR_USD"
        timeframe = "D"
        fast = 1
        slow = 2
        feed = "files"
        tiers = ["Premium", "free", "premium"]
        follow = false
        key = "daily"
    """
    (strategy,) = read(text).strategies
    assert (strategy.key, strategy.tiers, strategy.follow) == ("daily", (UserTier.PREMIUM, UserTier.FREE), False)


def test_a_class_of_ones_own_gets_the_other_settings() -> None:
    (strategy,) = read(f'[[strategy]]\nkind = "{OWN}:Mine"\npair = "GBP_USD"\nperiods = 3\nfeed = "files"').strategies
    made = strategy.make()
    assert isinstance(made, Mine)
    assert (strategy.key, strategy.pair, strategy.timeframe, made.config.slow) == ("mine", "GBP_USD", "H1", 3)


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ('strategy = "x"', "invalid-setting", "strategy"),
        ("[strategy]\npair = 1", "invalid-setting", "strategy"),
        (ONE.replace('feed = "files"\n', ""), "missing", "strategy.1.feed"),
        (ONE.replace('"files"', "3"), "not-text", "strategy.1.feed"),
        (ONE.replace('"files"', '"other"'), "unknown-word", "strategy.1.feed"),
        (f'{ONE}tiers = "free"', "not-a-list", "strategy.1.tiers"),
        (f"{ONE}tiers = []", "not-a-list", "strategy.1.tiers"),
        (f'{ONE}tiers = ["no tier"]', "unknown-word", "strategy.1.tiers"),
        (f'{ONE}tiers = ["gold"]', "unknown-word", "strategy.1.tiers"),
        (f'{ONE}follow = "yes"', "not-a-boolean", "strategy.1.follow"),
        (f"{ONE}slo = 3", "unknown-field", "strategy.1.slo"),
        (ONE.replace("fast = 40\n", ""), "missing", "strategy.1.fast"),
        (ONE.replace("fast = 40", "fast = 0"), "out-of-range", "strategy.1.fast"),
        (ONE.replace("EUR/USD", "ABC_DEF"), "missing", "strategy.1.places"),
        (f'{ONE}kind = "ma-unifid"', "unknown-word", "strategy.1.kind"),
        (f"{ONE}kind = 3", "unknown-word", "strategy.1.kind"),
        (f'{ONE}kind = "no.module:X"', "not-found", "strategy.1.kind"),
        (f'[[strategy]]\nkind = "{OWN}:Half"\npair = "x"\nfeed = "files"', "not-usable", "strategy.1.kind"),
        *(
            (
                f'[[strategy]]\nkind = "{OWN}:Mine"\npair = "x"\nperiods = {periods}\nfeed = "files"',
                "not-usable",
                "strategy.1.kind",
            )
            for periods in (10, 100)
        ),
        (f'[[strategy]]\nkind = "{OWN}:Mine"\npair = "x"\nfeed = "files"', "missing", "strategy.1.kind"),
        (f'[[strategy]]\nkind = "{OWN}:Nameless"\nfeed = "files"', "not-usable", "strategy.1.kind"),
        (ONE + ONE, "conflict", "strategy.key"),
    ],
)
def test_a_fault_has_its_code_and_place(text: str, code: str, field: str) -> None:
    if text.startswith(("strategy", "[strategy]")):
        Path("t.toml").write_text(text)
        with pytest.raises(InvalidConfiguration) as error:
            Config.from_environment({"SIGNALPOST_CONFIG": "t.toml"})
        found = list(error.value.errors)
    else:
        found = faults(text)
    assert [(each.code, each.field) for each in found] == [(code, field)]
    assert "token-0123456789" not in str(found)


def test_the_how_to_names_all_that_a_class_lacks_to_run_live() -> None:
    (fault,) = faults(f'[[strategy]]\nkind = "{OWN}:Half"\npair = "x"\nfeed = "files"')
    (paragraph,) = (each for each in HOW_TO.read_text("utf-8").split("\n- ") if each.startswith("`kind` ("))
    lacking = (fault.limit or "").replace("config.", "").split(", ")
    assert {"snapshot", "fingerprint", "stream"} <= {*lacking}
    assert [each for each in lacking if f"`{each}`" not in paragraph and each not in ("snapshot", "restore")] == []


@pytest.mark.parametrize(("kind", "right", "wrong"), [("oanda", "M2", "M3"), ("folder", "M3", "")])
def test_a_timeframe_that_a_feed_never_has_is_refused(kind: str, right: str, wrong: str) -> None:
    def found(timeframe: str) -> list[tuple[str, str | None, str | None]]:
        own = {"folder": 'path = "."\n'}.get(kind, "")
        strategy = ONE.replace("4h", timeframe).replace('"files"', '"f"')
        Path("t.toml").write_text(
            f'[feeds.f]\nkind = "{kind}"\n{own}[follow]\nfeed = "f"\ntimeframe = "{timeframe}"\n{strategy}'
        )
        try:
            Config.from_environment({"SIGNALPOST_CONFIG": "t.toml", "OANDA_TOKEN": "token-0123456789"})
        except InvalidConfiguration as error:
            return sorted((each.code, each.field, each.value) for each in error.errors)
        return []

    assert found(right) == []
    if wrong:
        assert found(wrong) == [
            ("unknown-timeframe", "follow.timeframe", wrong),
            ("unknown-timeframe", "strategy.1.timeframe", wrong),
        ]


def test_all_faults_of_all_strategies_are_reported_together() -> None:
    text = ONE.replace('"files"', '"other"') + ONE.replace("fast = 40", "fast = 0").replace('feed = "files"\n', "")
    assert [(each.code, each.field) for each in faults(text)] == [
        ("unknown-word", "strategy.1.feed"),
        ("missing", "strategy.2.feed"),
        ("out-of-range", "strategy.2.fast"),
    ]


def test_no_fault_shows_a_webhook() -> None:
    secret = "https://discord.com/api/webhooks/1/0123456789-secret-token"
    text = ONE.replace('"files"', f'"{secret}"') + ONE.replace("EUR/USD", secret) + f'{ONE}kind = "{secret}"'
    assert "secret-token" not in str(faults(text))


def test_a_strategy_can_be_made_by_a_program() -> None:
    strategy = StrategyConfig.of({"pair": "EUR_USD", "timeframe": "H1", "fast": 1, "slow": 2, "feed": "files"})
    assert strategy.make().config.stream == "EUR_USD:H1"
