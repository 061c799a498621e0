from click.testing import CliRunner

from signalpost.cli import main


def test_the_demo_replays_each_strategy_that_has_bundled_candles() -> None:
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 0
    rows = [line.replace("│", " ").split() for line in result.stdout.splitlines()]
    counts = {row[0]: row[1:4] for row in rows if len(row) > 4 and row[0].endswith(("_H4", "_D"))}
    assert len(counts) == 14
    assert counts["EUR_USD_H4"] == ["3,378", "30", "30"]
    assert counts["USD_CAD_D"] == ["563", "4", "4"]
    assert "The last 10 of 451 signals" in result.stdout
    assert [
        "2022-03-04",
        "22:00",
        "GBP_USD",
        "D",
        "SELL",
        "1.32331",
        "1.33935",
        "1.29926",
        "160.4",
        "240.5",
        "1.50",
    ] in rows


def test_what_the_demo_leaves_out_and_bends_is_said() -> None:
    text = " ".join(CliRunner().invoke(main, ["demo"]).stdout.split())
    assert "No bundled candles for NZD_USD_H4, NZD_USD_D." in text
    assert "In 7 weeks the broker's H4 grid lies across it" in text
    assert "2020-03-09, 2020-03-16, 2020-03-23, 2020-10-26, 2021-03-15, 2021-03-22, 2021-11-01." in text
