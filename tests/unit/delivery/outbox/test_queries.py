"""No query reads history to find open deliveries. Queries are recorded by executing every command of a store."""

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from signalpost.delivery import outbox
from signalpost.delivery.outbox import backlog, book, commands
from signalpost.delivery.outbox.book import AddChart, EndTrades, Follow
from signalpost.delivery.outbox.commands import CardResult
from signalpost.delivery.outbox.migration import open_book
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.change import Update
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.notification import notification_of
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import FollowState
from signalpost.sinks.evidence import Loss
from signalpost.testing.outbox_contract import CHECKS
from signalpost.testing.outbox_samples import LANE, START, new, notification, verdict
from tests.contracts.book_driver import B, Driver, signal
from tests.inline_outbox import InlineOutbox
from tests.tmpfs import with_connection

MODULES = (commands.__name__, book.__name__, backlog.__name__)
OPEN = frozenset({DeliveryState.PENDING, DeliveryState.LEASED})
MAY_READ_HISTORY = {
    "EXISTS ( SELECT 1 FROM delivery": "pruning, from the oldest on; and counting for `purge`",
    "count(*) FROM delivery GROUP BY destination, state": "the counts of everything that `deliveries list` shows",
    "FROM delivery WHERE true ORDER BY": "the last deliveries, back along the primary key",
    "FROM delivery WHERE true AND": "the last deliveries with a property, for a person",
    "SELECT id, accepted_at, body FROM notification ORDER BY number": "the migration of a store without a signal book",
    "SELECT DISTINCT notification_id FROM delivery WHERE sequence": "a signal whose keys are forgotten, for a person",
}
"""Parts of the queries that may scan `delivery` or `notification`, and their purposes."""
SCAN = re.compile(r"SCAN (delivery|notification)\b(?! USING (COVERING )?INDEX (lane|waiting|damaged|express|later))")
QUERY = re.compile(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b.*\b(delivery|notification)\b", re.DOTALL)


class Recorder(InlineOutbox):
    """Records the kinds of commands and the SQL statements."""

    def __init__(self, path: Path, statements: set[str], kinds: set[type]) -> None:
        core, db = with_connection(lambda: SqliteCore(path))
        db.execute("PRAGMA synchronous=OFF")
        db.set_trace_callback(statements.add)
        super().__init__(core)
        self.kinds = kinds
        self.db = db

    async def do(self, command: Any) -> Any:
        self.kinds.add(type(command))
        return await super().do(command)


async def _recorded(folder: Path) -> tuple[set[str], set[type]]:
    statements, kinds = set[str](), set[type]()
    for check in CHECKS:
        store = Recorder(folder / f"{check.__name__}.db", statements, kinds)
        await check(store)
        await store.close()
    await _live(Driver(Recorder(folder / "book.db", statements, kinds), folder / "book.db"))
    store = Recorder(folder / "outbox.db", statements, kinds)
    await store.do(commands.Put((new(notification("01"), 0, LANE, "other"),)))
    for states in (OPEN, frozenset({DeliveryState.LEASED}), frozenset({DeliveryState.DEAD}), frozenset(DeliveryState)):
        for destination in (None, LANE):
            await store.do(commands.Find(states=states, destination=destination))
            await store.do(commands.Find(states=states, destination=destination, notification_id="01"))
    (leased,) = (await store.do(commands.Lease(LANE, START))).entries
    until = START + timedelta(hours=1)
    delayed = verdict(leased.delivery, DeliveryState.PENDING, attempt=None, not_before=until)
    await store.do(commands.Settle((delayed,)))
    await store.do(commands.ShortenWaits(START - timedelta(days=1)))
    await store.do(commands.Expire(START + timedelta(days=1)))
    beside = SqliteCore(folder / "outbox.db", owns=False)
    beside.apply([commands.Put((new(notification("02")),))])
    beside.close()
    open_book(store.db)
    _look(folder / "outbox.db", statements, (await store.do(commands.Open()))[0])  # reads what the other process put
    await store.do(commands.Stats())
    await store.do(commands.SetAside())
    await store.do(commands.Prune(START + timedelta(days=1)))
    await store.close()
    return statements, kinds


async def _live(driver: Driver) -> None:
    """Lead signals through their lives."""
    await driver.shown()
    until = driver.now + timedelta(minutes=1)
    await driver.outbox.do(AddChart("s1", LANE, "chart", driver.now, until))
    await driver.settle(await driver.leased(), DeliveryState.PENDING)
    await driver.open(signal(), B, tier=UserTier.PREMIUM)
    await driver.settle(await driver.leased(B), DeliveryState.PENDING, may_repeat=True)
    await driver.change(Update(stop_loss="1.0960"))
    await driver.settle(await driver.leased())
    driver.now += timedelta(seconds=10)
    await driver.settle(await driver.leased())  # the companion, which looks for others
    await driver.change(Update(stop_loss="be"))
    await driver.settle(
        await driver.leased(), DeliveryState.PENDING, card=CardResult(2, is_edit=True, loss=Loss.DELETED)
    )
    await driver.open(signal("s2"), run="r1")
    await driver.open(signal("s3"))
    both = frozenset({LANE, "other"})
    await driver.outbox.do(commands.PassOn(LANE, driver.now, "gone", {}, {}, gone=both))
    late = notification_of(signal("s4"), ticket_id="late", accepted_at=driver.now)
    delayed = commands.NewDelivery(LANE, 0, delay=timedelta(minutes=1))
    await driver.outbox.do(commands.Put((commands.NewNotification(late, (delayed,), driver.now),)))
    while (await driver.lease(LANE)).entries:
        pass
    for name in ("s1", "#1", "nothing", "EUR_USD", None):
        await driver.find(name)
    await driver.find(only_live=True)
    followed = FollowState(since=driver.now)
    await driver.outbox.do(Follow((), {"s3": 1}, {"s3": followed}, driver.now))
    await driver.outbox.do(EndTrades(driver.now, driver.now, ("e1",)))
    await driver.outbox.do(commands.Expire(driver.now + timedelta(days=300)))
    await driver.outbox.do(commands.Prune(driver.now + timedelta(days=1)))
    await driver.outbox.close()


def _look(path: Path, statements: set[str], delivery: Delivery) -> None:
    """Run all queries for people."""
    lookup, db = with_connection(lambda: SqliteReader(path))
    db.set_trace_callback(statements.add)
    for states in (frozenset(), OPEN, frozenset({DeliveryState.DEAD})):
        find = commands.Find(destination=LANE, states=states, priority=NotificationPriority.HIGH, since=START)
        lookup.apply([find, commands.Find(states=states)])
    lookup.tickets("nothing")
    lookup.ahead(delivery)
    lookup.message(delivery)
    lookup.failures(LANE, START)
    lookup.past(START)
    lookup.close()


def _scans(path: Path, statements: Iterable[str]) -> list[str]:
    found = []
    with closing(sqlite3.connect(path)) as db:
        for statement in sorted(statements):
            if QUERY.match(statement):
                plan = [line for *_, line in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
                if any(SCAN.match(line) for line in plan):
                    found.append(" ".join(statement.split()))
    return found


def test_open_deliveries_are_found_without_reading_history(tmp_path: Path) -> None:
    statements = set[str]()
    core, db = with_connection(lambda: SqliteCore(tmp_path / "outbox.db"))
    db.set_trace_callback(statements.add)
    core.apply([commands.Put((new(notification("01"), 0, LANE, "other"),))])
    core.apply(
        [commands.Find(states=OPEN), commands.Find(states=OPEN, destination=LANE), commands.Stats(only_open=True)]
    )
    core.close()
    assert _scans(tmp_path / "outbox.db", statements) == []


async def test_only_queries_for_people_and_pruning_read_history(tmp_path: Path) -> None:
    statements, _ = await _recorded(tmp_path)
    scans = _scans(tmp_path / "outbox.db", statements)
    assert [each for each in scans if not any(part in each for part in MAY_READ_HISTORY)] == []
    assert [part for part in MAY_READ_HISTORY if not any(part in each for each in scans)] == [], "no longer needed"


async def test_every_command_and_every_statement_is_checked(tmp_path: Path) -> None:
    """A new one fails this test until the contract of an outbox, or this file, executes it."""
    statements, kinds = await _recorded(tmp_path)
    ours = {each for each in commands.Command.__subclasses__() if each.__module__ in MODULES}
    assert kinds == ours
    executed = [" ".join(each.split()) for each in statements]
    modules = [import_module(f"{outbox.__name__}.{each.name}") for each in iter_modules(outbox.__path__)]
    written = {value for each in modules for value in vars(each).values() if isinstance(value, str)}
    never = [
        beginning
        for value in written
        if QUERY.match(value)
        for beginning in [re.split(r"[?:]", " ".join(value.split()))[0]]
        if not any(beginning.strip() in each for each in executed)
    ]
    assert never == []
