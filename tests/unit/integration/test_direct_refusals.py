"""Direct sends skip a webhook that is gone and a host that has banned us, whichever process found that out."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from signalpost import Config, NotificationIntegration, Outcome, Refusal, Ticket, clock
from signalpost.cli.destinations import enable_again
from signalpost.config import STORE_FILE
from signalpost.delivery.facts import Gone, ban_fact, gone_fact, of_host, of_webhook
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts, Subject
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.pacing.host import Ban
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Rate
from signalpost.integration.direct import DirectSender, SavedFacts
from signalpost.integration.loop_thread import LoopThread
from signalpost.integration.submission import Submission
from signalpost.sandbox.rules.exchange import HttpAnswer
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.server import Sandbox
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import World
from tests.unit.integration.conftest import ConfigFor
from tests.unit.service.conftest import codes, shown, signal
from tests.until import until

BLOCK = HttpAnswer(403, {"Content-Type": "text/html", "Retry-After": "3600"}, b"<html>error code: 1015</html>")
DISABLED = ("signals-free", "404", "10015")
"""Named in the reason of a ticket if the webhook is gone."""


def direct(integration: NotificationIntegration, name: str) -> Ticket:
    """The ticket of a signal for a direct send."""
    began = monotonic()
    ticket = integration.send_signal_to_discord(signal(signal_id=name)).result(20)
    assert monotonic() - began < 15, "it does not wait for a slot that comes too late"
    return ticket


def requests(sandbox: Sandbox) -> int:
    return sum(1 for _ in sandbox.discord.log.since(0))


@contextmanager
def once(config: Config) -> Iterator[NotificationIntegration]:
    """An integration without a service, as in a new process."""
    integration = NotificationIntegration(config)
    yield integration
    integration.stop()


A = Subject("a")


def keep(config: Config, subject: Subject, facts: dict[str, bytes]) -> None:
    """Save a fact, as a service does."""
    config.home.mkdir(exist_ok=True)
    with closing(SqliteCore(config.home / STORE_FILE)) as core:
        core.apply([SaveFacts(subject, facts)])


def keep_that_it_is_gone(config: Config) -> None:
    fact = gone_fact(Gone("404, code 10015", clock.now()))
    keep(config, of_webhook(config.destinations[0].address.identity), fact)


def keep_a_ban(config: Config, seconds: float = 600.0) -> None:
    keep(config, of_host(config.destinations[0].address.host), ban_fact(Ban("403", seconds), clock.now()))


def assert_names(ticket: Ticket, *facts: str) -> None:
    assert [fact for fact in facts if fact not in (ticket.reason or "")] == []


def test_a_deleted_webhook_known_to_the_store_is_not_tried_by_new_processes_until_it_is_enabled(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    config = config_for("signals-free")
    sandbox.discord.faults.plan(Fault(answer=usual_answer(404), method="POST"))
    service = NotificationIntegration(config)
    service.start()
    service.send_signal(signal(signal_id="finds out")).result(10)
    service.stop()
    before = requests(sandbox)
    for number in range(2):
        with once(config) as process:
            ticket = direct(process, str(number))
            assert (ticket.outcome, ticket.cause) == (Outcome.REFUSED, Refusal.NOT_RUNNING)
            assert_names(ticket, *DISABLED)
    assert requests(sandbox) == before
    with once(config) as process:
        assert not direct(process, "still disabled")
        enable_again(config.home / STORE_FILE, config.destinations[0])
        assert direct(process, "enabled").outcome is Outcome.DIRECT


def test_a_ban_known_to_the_store_holds_a_new_process_too(sandbox: Sandbox, config_for: ConfigFor) -> None:
    config = config_for()
    keep_a_ban(config)
    with once(config) as process:
        ticket = direct(process, "banned")
        assert_names(ticket, "signals-free", "127.0.0.1", "600 s", "403")
    assert requests(sandbox) == 0
    keep_a_ban(config, 0.2)
    with once(config) as process:
        assert direct(process, "soon over").outcome is Outcome.DIRECT, "a short ban is waited for"


@pytest.mark.parametrize(
    ("answer", "facts"),
    [
        (usual_answer(404), DISABLED),
        (BLOCK, ("127.0.0.1", "3600 s")),
        (usual_answer(429, retry_after=900.0), ("signals-free", "900 s")),
    ],
)
def test_a_process_remembers_its_own_refusals_and_makes_no_store(
    answer: HttpAnswer, facts: tuple[str, ...], sandbox: Sandbox, config_for: ConfigFor
) -> None:
    config = config_for("signals-free")
    sandbox.discord.faults.plan(Fault(answer=answer, is_processed=False))
    with once(config) as process:
        assert direct(process, "finds out").outcome is Outcome.REFUSED
        for number in range(2):
            ticket = direct(process, str(number))
            assert ticket.outcome is Outcome.REFUSED
            assert_names(ticket, *facts)
    assert requests(sandbox) == 1
    assert not config.home.exists()


def lock(path: Path) -> Callable[[], None]:
    keeper = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    keeper.execute("PRAGMA locking_mode=EXCLUSIVE")
    keeper.execute("BEGIN EXCLUSIVE")
    keeper.execute("CREATE TABLE other(x)")
    return keeper.close


def damage(path: Path) -> Callable[[], None]:
    path.write_bytes(b"damaged " * 1_000)
    return path.unlink


def change_version(path: Path) -> Callable[[], None]:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    return path.unlink


def put_a_folder(path: Path) -> Callable[[], None]:
    path.unlink()
    path.mkdir()
    return path.rmdir


def put_a_file_for_the_home(path: Path) -> Callable[[], None]:
    path.unlink()
    for other in list(path.parent.iterdir()):
        other.unlink()
    path.parent.rmdir()
    path.parent.write_text("")
    return path.parent.unlink


def fill_with_nonsense(path: Path) -> Callable[[], None]:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE fact SET value = 'nonsense' WHERE name = 'ban'")
    return path.unlink


@pytest.mark.parametrize("spoil", [lock, damage, change_version, put_a_folder, put_a_file_for_the_home])
def test_an_unreadable_store_does_not_prevent_direct_sends(
    spoil: Callable[[Path], Callable[[], None]],
    sandbox: Sandbox,
    config_for: ConfigFor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = config_for("signals-free")
    keep_a_ban(config)
    undo = spoil(config.home / STORE_FILE)
    with once(config) as process:
        for number in range(2):
            assert direct(process, str(number)).outcome is Outcome.DIRECT
    undo()
    assert len(shown(sandbox, "signals-free")) == 2
    is_silent = spoil in (put_a_folder, put_a_file_for_the_home)  # there is no store
    warnings = [record for record in caplog.records if record.module == "direct"]
    assert [record.levelno for record in warnings] == ([] if is_silent else [logging.WARNING])


def test_an_unreadable_ban_counts_as_none(config_for: ConfigFor) -> None:
    config = config_for("signals-free")
    keep_a_ban(config)
    fill_with_nonsense(config.home / STORE_FILE)
    with once(config) as process:
        assert direct(process, "goes").outcome is Outcome.DIRECT


async def test_concurrent_looks_share_one_result(config_for: ConfigFor) -> None:
    config = config_for("signals-free")
    keep(config, A, {"b": b"c"})
    saved = SavedFacts(config.home / STORE_FILE, [A])
    assert await asyncio.gather(*(saved.read() for _ in range(5))) == [{A: {"b": b"c"}}] * 5
    keep(config, A, {"b": b"d"})
    assert await saved.read() == {A: {"b": b"d"}}, "and is read anew"


async def test_a_store_whose_folder_cannot_be_read_has_no_facts_and_causes_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert await SavedFacts(tmp_path / ("x" * 300) / STORE_FILE, [A]).read() == {}
    assert [record.levelno for record in caplog.records if record.module == "direct"] == [logging.WARNING]


def started(config: Config) -> NotificationIntegration:
    integration = NotificationIntegration(config)
    integration.start()
    return integration


def beside(integration: NotificationIntegration, name: str) -> Ticket:
    """The ticket of a signal that the full disk cannot take."""
    return integration.send_signal_to_discord(signal(signal_id=name)).result(20)


@pytest.mark.parametrize(("answer", "facts"), [(usual_answer(404), DISABLED), (BLOCK, ("127.0.0.1", "3600 s"))])
def test_findings_of_a_direct_send_beside_a_service_are_shared_and_saved(
    answer: HttpAnswer, facts: tuple[str, ...], sandbox: Sandbox, config_for: ConfigFor, full_disk: None
) -> None:
    config = config_for("signals-free")
    integration = started(config)
    sandbox.discord.faults.plan(Fault(answer=answer, method="POST", is_processed=False))
    assert beside(integration, "finds out").outcome is Outcome.REFUSED
    ticket = beside(integration, "knows")
    assert (ticket.outcome, ticket.cause) == (Outcome.REFUSED, Refusal.STORE)
    assert_names(ticket, *facts)
    assert {"webhook-gone", "banned"} & set(codes(integration.health().reasons))
    webhook, host = config.destinations[0].address.identity, config.destinations[0].address.host
    until = monotonic() + 10
    with closing(SqliteReader(config.home / STORE_FILE)) as store:
        while not any(store.apply([LoadFacts(of_host(host))])) and not any(
            name != "destination" for name in store.apply([LoadFacts(of_webhook(webhook))])[0]
        ):
            assert monotonic() < until
    integration.stop(0)


@pytest.mark.parametrize("is_beside", [False, True])
def test_sends_waiting_for_a_slot_skip_a_webhook_found_gone_meanwhile(
    is_beside: bool, sandbox: Sandbox, config_for: ConfigFor, full_disk: None
) -> None:
    config = config_for("signals-free", limits=NOTHING_ASSUMED._replace(burst=Rate(2, 2.0)))  # one, beside the reserve
    sandbox.discord.faults.plan(Fault(answer=usual_answer(404), method="POST", is_processed=False))
    integration = started(config) if is_beside else NotificationIntegration(config)
    sends = [integration.send_signal_to_discord(signal(signal_id=name)) for name in "abcdef"]
    tickets = [send.result(20) for send in sends]
    integration.stop(0)
    assert {ticket.outcome for ticket in tickets} == {Outcome.REFUSED}
    assert all("10015" in (ticket.reason or "") for ticket in tickets), "one found it out, and the others know"
    assert sum(logged.entry.method == "POST" for logged in sandbox.discord.log.since(0)) == 1


async def test_a_fact_that_cannot_be_saved_is_given_up_at_the_end(sandbox: Sandbox, config_for: ConfigFor) -> None:
    sandbox.discord.faults.plan(Fault(answer=usual_answer(404), method="POST"))
    thread = LoopThread("of a test")

    async def world() -> World:
        return World(ScriptedSink())

    with_broken_store = thread.begin(world).result(10)
    with_broken_store.outbox.faults[SaveFacts] = 1_000_000
    lane = with_broken_store.dispatcher.lanes["signals-free"]
    sender = DirectSender(config_for("signals-free"), thread, lambda _: lane)
    submission = Submission(signal())
    sender.take(submission, Ticket(Outcome.REFUSED, "", "no store", Refusal.STORE))
    assert (await submission.future).cause is Refusal.STORE, "the ticket does not wait for the store"

    async def saving() -> list[asyncio.Task[object]]:
        return [task for task in asyncio.all_tasks() if task.get_name() == "signalpost save facts"]

    (task,) = thread.begin(saving).result(10)
    await until(lambda: with_broken_store.outbox.commands[SaveFacts])
    assert not task.done()
    thread.end(10)
    assert task.cancelled()


def test_a_producer_sends_directly_to_no_deleted_webhook(
    sandbox: Sandbox, config_for: ConfigFor, full_disk: None
) -> None:
    config = config_for("signals-free")
    keep_that_it_is_gone(config)
    with closing(SqliteCore(config.home / STORE_FILE)):  # the owner of the folder
        integration = started(config)
        before = requests(sandbox)
        assert_names(beside(integration, "gone"), *DISABLED)
        assert requests(sandbox) == before
        integration.stop(0)
