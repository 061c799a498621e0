"""A webhook that its owner has deleted."""

from pathlib import Path

from tests.foreign.far_end import FarEnd
from tests.foreign.reading import names
from tests.foreign.scenes import generous
from tests.foreign.stage import Stage, stage, terminate

QUIET_FOR = 5
"""Seconds in which a webhook that is left alone is asked nothing."""


def publish(at: Stage, name: str) -> None:
    signal = ("--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634")
    at.publish("signal", *signal, "--id", f"foreign-{name}", "--context", f"Name={name}")


def publish_alert(at: Stage, name: str) -> None:
    at.publish("alert", "--type", "feed", "--severity", "high", "--title", name, "--context", f"Name={name}")


def test_a_deleted_webhook_is_asked_no_more_by_anyone_and_the_operator_is_told_elsewhere(tmp_path: Path) -> None:
    with (
        FarEnd(generous) as far_end,
        stage(
            tmp_path / "stage",
            DISCORD_WEBHOOK_SIGNALS_FREE=(url := far_end.webhook("signals")),
            DISCORD_WEBHOOK_ALERTS_CRITICAL=far_end.webhook("alerts"),
        ) as at,
    ):
        served = at.serve()
        publish(at, "before")
        assert far_end.wait_for(lambda: names(far_end.shown("signals")) == ["before"], 20)
        far_end.delete("signals")
        publish(at, "first")
        assert far_end.wait_for(lambda: any(each.status == 404 for each in far_end.requests), 10)
        assert far_end.wait_for(lambda: far_end.shown("alerts"), 10), "nobody is told"
        assert "signals-free" in str(far_end.shown("alerts")[0].body)

        def asked() -> int:
            return sum(each.webhook == "signals" for each in far_end.requests)

        until_now = asked()
        assert until_now
        for name in ("second", "third"):
            publish(at, name)
        assert not far_end.wait_for(lambda: asked() > until_now, QUIET_FOR)
        terminate(served)
        served = at.serve()
        publish(at, "fourth")
        publish_alert(at, "sentinel")
        assert far_end.wait_for(lambda: "sentinel" in names(far_end.shown("alerts")), 20), "the new process is idle"
        assert not far_end.wait_for(lambda: asked() > until_now, QUIET_FOR)
        terminate(served)
    assert [each.status for each in far_end.requests if each.webhook == "signals" and each.method == "POST"] == [
        200,
        404,
    ]
    assert url.rpartition("/")[2] not in at.log.read_text()


def test_the_only_webhook_that_is_deleted_is_told_of_in_the_log(tmp_path: Path) -> None:
    with (
        FarEnd(generous) as far_end,
        stage(tmp_path / "stage", DISCORD_WEBHOOK_URL=far_end.webhook("everything")) as at,
    ):
        far_end.delete("everything")
        served = at.serve()
        publish(at, "first")
        assert far_end.wait_for(lambda: any(each.status == 404 for each in far_end.requests), 20)
        until_now = len(far_end.requests)
        publish(at, "second")
        assert not far_end.wait_for(lambda: len(far_end.requests) > until_now, QUIET_FOR)
        terminate(served)
    assert "10015" in at.log.read_text()
