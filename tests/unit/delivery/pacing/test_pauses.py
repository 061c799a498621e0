from signalpost.delivery.pacing.host import Ban, Host
from signalpost.delivery.pacing.limits import Limits
from signalpost.delivery.pacing.pacer import Pacer
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import Rejected, Throttled
from tests.unit.delivery.pacing.test_pacer import FREE, sent

URGENT = NotificationPriority.URGENT


def test_what_holds_everything_back_is_told_with_its_reason_and_a_full_window_is_not() -> None:
    host = Host(name="discord.com")
    pacer = sent(Pacer(Limits(messages_a_minute=5), host), 0.0, times=5)
    assert pacer.ready_at(0.0, URGENT) == 60.0
    assert pacer.paused_for(0.0) is None
    sent(pacer, 60.0, Throttled("429", retry_after=40.0, scope="destination"))
    assert pacer.paused_for(70.0) == (30.0, "it told to wait", None)
    assert pacer.paused_for(100.0) is None


def test_a_pause_of_the_host_is_told_as_the_hosts_and_the_longest_is_told() -> None:
    host = Host(None, name="discord.com")
    one, other = Pacer(FREE, host), Pacer(FREE, host)
    sent(one, 0.0, Throttled("429", retry_after=40.0, scope="destination"))
    host.hold(Ban("global", 90.0), 0.0)
    assert one.paused_for(0.0) == other.paused_for(0.0) == (90.0, "global", "discord.com")
    sent(one, 100.0, Throttled("429", retry_after=40.0, scope="destination"))
    assert (one.paused_for(100.0), other.paused_for(100.0)) == ((40.0, "it told to wait", None), None)


def test_refusals_that_pause_are_told_for_a_destination_and_for_a_host() -> None:
    host = Host(None, name="discord.com")
    for _ in range(10):
        pacer = sent(Pacer(FREE, host), 5.0, Rejected("no", status=401), times=49)
    assert pacer.paused_for(5.0) is None
    sent(pacer, 6.0, Rejected("no", status=401))
    assert pacer.paused_for(6.0) == (599.0, "it refused 50 times in 10 minutes", None)
    sent(Pacer(FREE, host), 7.0, Rejected("no", status=401), times=9)
    assert Pacer(FREE, host).paused_for(7.0) == (598.0, "it refused 500 times in 10 minutes", "discord.com")
