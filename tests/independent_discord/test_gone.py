"""A deleted webhook."""

from pathlib import Path

from tests.independent_discord.channel import names
from tests.independent_discord.machine import Machine, terminate, user_machine
from tests.independent_discord.scenarios import generous
from tests.independent_discord.server import FakeDiscord

QUIET_FOR = 5
"""Seconds without a request to the deleted webhook."""


def publish(machine: Machine, name: str) -> None:
    signal = ("--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634")
    machine.publish("signal", *signal, "--id", f"test-{name}", "--context", f"Name={name}")


def publish_alert(machine: Machine, name: str) -> None:
    machine.publish("alert", "--type", "feed", "--severity", "high", "--title", name, "--context", f"Name={name}")


def test_a_deleted_webhook_gets_no_more_requests_and_the_operator_gets_an_alert_elsewhere(tmp_path: Path) -> None:
    with (
        FakeDiscord(generous) as discord,
        user_machine(
            tmp_path / "machine",
            DISCORD_WEBHOOK_SIGNALS_FREE=(url := discord.webhook("signals")),
            DISCORD_WEBHOOK_ALERTS_CRITICAL=discord.webhook("alerts"),
        ) as machine,
    ):
        served = machine.serve()
        publish(machine, "before")
        assert discord.wait_for(lambda: names(discord.shown("signals")) == ["before"], 20)
        discord.delete("signals")
        publish(machine, "first")
        assert discord.wait_for(lambda: any(each.status == 404 for each in discord.requests), 10)
        assert discord.wait_for(lambda: discord.shown("alerts"), 10), "the operator gets no alert"
        assert "signals-free" in str(discord.shown("alerts")[0].body)

        def count() -> int:
            return sum(each.webhook == "signals" for each in discord.requests)

        until_now = count()
        assert until_now
        for name in ("second", "third"):
            publish(machine, name)
        assert not discord.wait_for(lambda: count() > until_now, QUIET_FOR)
        terminate(served)
        served = machine.serve()
        publish(machine, "fourth")
        publish_alert(machine, "sentinel")
        assert discord.wait_for(lambda: "sentinel" in names(discord.shown("alerts")), 20), "the new process is idle"
        assert not discord.wait_for(lambda: count() > until_now, QUIET_FOR)
        terminate(served)
    statuses = [each.status for each in discord.requests if each.webhook == "signals"]
    assert statuses.count(404) == 1, "either a message or the first look finds it gone"
    assert url.rpartition("/")[2] not in machine.log.read_text()


def test_if_the_only_webhook_is_deleted_it_is_logged(tmp_path: Path) -> None:
    with (
        FakeDiscord(generous) as discord,
        user_machine(tmp_path / "machine", DISCORD_WEBHOOK_URL=discord.webhook("everything")) as machine,
    ):
        discord.delete("everything")
        served = machine.serve()
        publish(machine, "first")
        assert discord.wait_for(lambda: any(each.status == 404 for each in discord.requests), 20)
        until_now = len(discord.requests)
        publish(machine, "second")
        assert not discord.wait_for(lambda: len(discord.requests) > until_now, QUIET_FOR)
        terminate(served)
    assert "10015" in machine.log.read_text()
