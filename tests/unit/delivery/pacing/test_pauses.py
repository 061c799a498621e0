from signalpost.delivery.pacing.host import Ban, Host
from signalpost.delivery.pacing.limits import Limits
from signalpost.delivery.pacing.pacer import Pacer, Pause
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import Rejected, Throttled
from tests.unit.delivery.pacing.test_pacer import FREE, sent

URGENT = NotificationPriority.URGENT


def seconds_and_host(pause: Pause | None) -> tuple[float, str | None]:
    """The length of a pause, which must have a reason."""
    assert pause is not None
    assert pause.reason
    return pause.seconds, pause.host


def assert_numbers(pause: Pause | None, *numbers: str) -> None:
    assert pause is not None
    assert set(numbers) <= set(pause.reason.split())


def test_a_demanded_wait_is_a_pause_with_a_reason_and_a_full_window_is_not() -> None:
    host = Host(name="discord.com")
    pacer = sent(Pacer(Limits(messages_a_minute=5), host), 0.0, times=5)
    assert pacer.ready_at(0.0, URGENT) == 60.0
    assert pacer.paused_for(0.0) is None
    sent(pacer, 60.0, Throttled("429", retry_after=40.0, scope="destination"))
    assert seconds_and_host(pacer.paused_for(70.0)) == (30.0, None)
    assert pacer.paused_for(100.0) is None


def test_a_pause_of_the_host_names_the_host_and_the_longest_pause_counts() -> None:
    host = Host(None, name="discord.com")
    one, other = Pacer(FREE, host), Pacer(FREE, host)
    sent(one, 0.0, Throttled("429", retry_after=40.0, scope="destination"))
    host.hold(Ban("global", 90.0), 0.0)
    assert one.paused_for(0.0) == other.paused_for(0.0) == (90.0, "global", "discord.com")
    sent(one, 100.0, Throttled("429", retry_after=40.0, scope="destination"))
    assert seconds_and_host(one.paused_for(100.0)) == (40.0, None)
    assert other.paused_for(100.0) is None


def test_too_many_refusals_pause_a_destination_and_a_host() -> None:
    host = Host(None, name="discord.com")
    for _ in range(10):
        pacer = sent(Pacer(FREE, host), 5.0, Rejected("no", status=401), times=49)
    assert pacer.paused_for(5.0) is None
    sent(pacer, 6.0, Rejected("no", status=401))
    pause = pacer.paused_for(6.0)
    assert seconds_and_host(pause) == (599.0, None)
    assert_numbers(pause, "50", "10")
    sent(Pacer(FREE, host), 7.0, Rejected("no", status=401), times=9)
    pause = Pacer(FREE, host).paused_for(7.0)
    assert seconds_and_host(pause) == (598.0, "discord.com")
    assert_numbers(pause, "500", "10")


def test_a_webhook_that_has_to_wait_still_waits_after_it_was_moved() -> None:
    host, limits = Host(None), Limits(burst=None, reserve=False)
    moved, other = Pacer(limits, host), Pacer(limits, host)
    for pacer in (moved, other):
        pacer.set_channel("1")
    sent(moved, 0.0, Throttled("wait", retry_after=5.0, scope="destination"))
    sent(other, 0.0, Throttled("wait", retry_after=9.0, scope="edits"))
    moved.set_channel("2")
    assert (moved.ready_at(1.0, URGENT), moved.edits_ready_at(1.0)) == (5.0, 9.0)
