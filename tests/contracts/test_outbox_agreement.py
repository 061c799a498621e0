"""At each step the store answers like an outbox made of lists, even after crashes and restarts."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from signalpost.delivery.outbox import commands as c
from signalpost.delivery.outbox.backlog import Backlog
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.transaction import Transaction
from signalpost.delivery.outbox.verbs import execute
from signalpost.domain.delivery import Attempt, DeliveryId, DeliveryState
from signalpost.domain.ledger import StreamState
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed
from signalpost.testing.outbox_samples import MINUTE, START, notification
from tests.contracts.outbox_model import OutboxModel
from tests.size import size
from tests.tmpfs import with_connection

pytestmark = pytest.mark.unmeasured

LANES = ("one", "two")
EVENTS = ("new", "update 1", "update 2", "closed")
_S = DeliveryState

ranks = st.integers(-2, 2)
minutes = st.integers(0, 4).map(lambda count: count * MINUTE)
lanes = st.sampled_from(LANES)
reasons = st.sampled_from((None, "because"))


SUBJECTS = [c.Subject(name, namespace) for name in LANES for namespace in (c.Namespace.DESTINATION, c.Namespace.HOST)]


class Agreement(RuleBasedStateMachine):
    folder: Path
    files = count()

    @initialize()
    def begin(self) -> None:
        self.path = self.folder / f"{next(self.files)}.db"
        self.model, self.sqlite = OutboxModel(), self.opened()
        self.now, self.count = START, 0

    def opened(self) -> SqliteCore:
        core, self.db = with_connection(lambda: SqliteCore(self.path))
        return core

    def teardown(self) -> None:
        if hasattr(self, "sqlite"):
            self.sqlite.close()

    @rule(by=minutes)
    def time_passes(self, by: timedelta) -> None:
        self.now += by

    @rule(data=st.data(), size=st.integers(1, 4))
    def a_batch(self, data: st.DataObject, size: int) -> None:
        batch = [self.command(data) for _ in range(size)]
        expected = self.model.apply(batch)
        self.agree(self.sqlite.apply(batch), expected)

    def agree(self, answers: list[Any], expected: list[Any]) -> None:
        """The time for the next lease may be early, but never late, and never now."""
        for number, (answer, wanted) in enumerate(zip(answers, expected, strict=True)):
            if isinstance(answer, c.Leased):
                answers[number] = self.agreed(answer, wanted)
            elif isinstance(answer, c.SettledAndLeased):
                assert answer.leased is not None
                answers[number] = answer._replace(leased=self.agreed(answer.leased, wanted.leased))
        assert answers == expected

    def agreed(self, answer: c.Leased, wanted: c.Leased) -> c.Leased:
        assert answer.next_at is None or answer.next_at > self.now
        assert wanted.next_at is None or (answer.next_at is not None and answer.next_at <= wanted.next_at)
        return answer._replace(next_at=wanted.next_at)

    @rule(data=st.data(), size=st.integers(1, 3))
    def a_batch_that_fails(self, data: st.DataObject, size: int) -> None:
        twice = (c.NewDelivery("one", 0), c.NewDelivery("one", 0))
        bad = c.NewNotification(self.drawn(data), twice, self.now + 9 * MINUTE)
        fresh = bad._replace(notification=bad.notification.but(event="never accepted"))
        batch = [*(self.command(data) for _ in range(size)), c.Put((fresh,)), c.Stats(), Backlog()]
        with pytest.raises(CommandFailed):
            self.sqlite.apply(batch)

    @rule(data=st.data())
    def a_crash_within_a_batch(self, data: st.DataObject) -> None:
        batch = [self.command(data) for _ in range(3)]
        self.db.execute("BEGIN IMMEDIATE")
        execute(Transaction(self.db), batch)
        self.a_restart()

    @rule()
    def a_restart(self) -> None:
        self.sqlite.close()
        self.sqlite = self.opened()

    def command(self, data: st.DataObject) -> Any:
        kinds = (self.put, self.put, self.lease, self.lease, self.settle, self.both, self.other)
        return data.draw(st.sampled_from(kinds))(data)

    def drawn(self, data: st.DataObject) -> Any:
        self.count += 1
        return notification(
            f"{self.count:04}",
            data.draw(st.sampled_from("ab")),
            data.draw(st.sampled_from(EVENTS)),
            title=data.draw(st.sampled_from(("Disk", "Disk", "Disk", "Heat"))),
            priority=data.draw(st.sampled_from(NotificationPriority)),
            at=self.now,
            valid_for=MINUTE + data.draw(minutes),
        )

    def put(self, data: st.DataObject) -> c.Put:
        items = []
        for _ in range(data.draw(st.integers(0, 3))):
            state = data.draw(st.sampled_from((_S.PENDING, _S.PENDING, _S.SUPPRESSED)))
            names = data.draw(st.sampled_from((("one",), ("two",), ("one", "two"), ())))
            deliveries = tuple(c.NewDelivery(lane, data.draw(ranks), state, data.draw(reasons)) for lane in names)
            items.append(c.NewNotification(self.drawn(data), deliveries, self.now + data.draw(minutes)))
        state = StreamState("stream", "f", self.now, data.draw(st.binary(max_size=2)))
        return c.Put(tuple(items), data.draw(st.sampled_from((None, state))))

    def lease(self, data: st.DataObject) -> c.Lease:
        limit, express, sure_only = data.draw(st.tuples(st.integers(1, 3), st.booleans(), st.booleans()))
        return c.Lease(data.draw(lanes), self.now, limit, express, sure_only)

    def name(self, data: st.DataObject, *states: str) -> DeliveryId:
        """The id of a delivery: usually of one in these states, sometimes of one that does not exist."""
        known = [row.id for row in self.model.rows if not states or row.state in states]
        unknown = DeliveryId(f"{data.draw(st.integers(1, 6)):04}", data.draw(lanes), data.draw(st.integers(1, 2)))
        return data.draw(st.sampled_from([unknown, *known, *known, *known]))

    def settle(self, data: st.DataObject) -> c.Settle:
        return c.Settle(tuple(self.verdict(data) for _ in range(data.draw(st.integers(1, 3)))))

    def both(self, data: st.DataObject) -> c.SettleAndLease:
        return c.SettleAndLease(self.settle(data), self.lease(data))

    def verdict(self, data: st.DataObject) -> c.Settlement:
        flags, numbers = st.booleans(), st.integers(0, 3)
        name = self.name(data, "leased")
        message = c.Message(name.destination, data.draw(st.sampled_from(("m1", "m2"))), self.now)
        return c.Settlement(
            name,
            data.draw(st.sampled_from((_S.PENDING, _S.PENDING, *DeliveryState))),
            Attempt(self.now, self.now + MINUTE, "throttled", "429") if data.draw(flags) else None,
            data.draw(numbers),
            data.draw(numbers),
            data.draw(flags),
            self.now + data.draw(minutes) if data.draw(flags) else None,
            data.draw(reasons),
            message if data.draw(flags) else None,
        )

    def pass_on(self, data: st.DataObject) -> c.PassOn:
        here, there = data.draw(st.permutations(LANES))
        by_kind = data.draw(st.sampled_from(({"alert": there}, {"alert": "three"}, {"announcement": there}, {})))
        return c.PassOn(here, self.now, "gone", {}, by_kind)

    def other(self, data: st.DataObject) -> Any:
        limit = data.draw(st.integers(1, 3))
        made = {
            c.Expire: lambda: c.Expire(self.now, limit),
            c.PassOn: lambda: self.pass_on(data),
            c.ShortenWaits: lambda: c.ShortenWaits(self.now - data.draw(minutes)),
            c.Cancel: lambda: c.Cancel(self.name(data, "pending"), "by hand"),
            c.Revive: lambda: c.Revive(
                self.name(data, "dead", "unconfirmed", "expired", "cancelled"),
                data.draw(ranks),
                self.now + data.draw(minutes),
            ),
            c.SaveFacts: lambda: c.SaveFacts(
                data.draw(st.sampled_from(SUBJECTS)),
                {data.draw(st.sampled_from("xy")): data.draw(st.binary(max_size=1))},
            ),
            c.Prune: lambda: c.Prune(self.now - data.draw(minutes), limit),
            c.ForgetKeys: lambda: c.ForgetKeys(self.now, data.draw(st.sampled_from(("", *self.model.keys))), limit),
            c.Open: lambda: c.Open(
                data.draw(st.none() | lanes), data.draw(st.none() | st.just(("0001", "0003", "9"))), limit
            ),
            c.Find: lambda: c.Find(
                data.draw(st.none() | st.just("0001")),
                data.draw(st.none() | lanes),
                data.draw(st.frozensets(st.sampled_from(DeliveryState), max_size=2)),
                limit,
            ),
        }
        return made[data.draw(st.sampled_from(list(made)))]()

    @invariant()
    def all_queries_have_equal_answers(self) -> None:
        if not hasattr(self, "model"):
            return
        queries: list[Any] = [
            c.Find(limit=999),
            c.Open(),
            c.Stats(),
            Backlog(),
            c.LoadState("stream"),
            *map(c.LoadFacts, SUBJECTS),
        ]
        queries += [c.History(row.id) for row in self.model.rows]
        expected = deepcopy(self.model).apply(queries)
        assert self.sqlite.apply(queries) == expected

    @invariant()
    def the_file_contains_no_stale_rows(self) -> None:
        if not hasattr(self, "model"):
            return
        with closing(sqlite3.connect(self.path)) as db:
            self.check_rows(db.execute)

    def check_rows(self, query: Callable[[str], sqlite3.Cursor]) -> None:
        shown = {
            (lane, name): count for lane, name, count in query("SELECT destination, message_id, shows FROM message")
        }
        expected = [(row.lane, row.message_id) for row in self.model.rows if row.message_id is not None]
        assert shown == Counter(expected)
        orphans = "SELECT count(*) FROM attempt WHERE notification_id NOT IN (SELECT id FROM notification)"
        assert query(orphans).fetchone() == (0,)
        assert query(
            "SELECT count(*) FROM delivery WHERE number NOT IN (SELECT number FROM notification)"
        ).fetchone() == (0,)
        assert {key for (key,) in query("SELECT key FROM key")} == self.model.keys.keys()


def test_the_store_agrees_with_a_simple_model() -> None:

    calm = settings(max_examples=size(6, 60), stateful_step_count=40, suppress_health_check=list(HealthCheck))
    with TemporaryDirectory() as fast:

        class InFolder(Agreement):
            folder = Path(fast)

        run_state_machine_as_test(InFolder, settings=calm)
