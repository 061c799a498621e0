"""The contract test for every sink: pass `check_sink` factories of your sink with working and failing servers.

    await check_sink(working, failing=[refuses, is_down], hanging=hangs, secrets=["the-token"])

Plain functions for any test runner: each raises AssertionError with the broken promise. A factory is a callable that
returns an async context manager, so that it can also start and stop the server.
"""

import asyncio
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from signalpost import clock
from signalpost.domain.context import Context
from signalpost.domain.notification import Notification, Payload, payload_id
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Alert, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.errors import Evidence
from signalpost.sinks.evidence import CardLost, Receipt, Rejected, Throttled, Unavailable, Unconfirmed
from signalpost.sinks.port import Answer, Item, Shown, Sink
from signalpost.testing.claims import demand

Maker = Callable[[], AbstractAsyncContextManager[Sink]]
"""Creates a sink with its server, and closes both."""

_KINDS = (Rejected, Unavailable, Throttled, CardLost, Unconfirmed)
_STEPS = 25
_HOSTILE = "@everyone <@&1> [x](https://example.org) ```\n# \u202e\u200b\0 \U0001f469\u200d\U0001f680 " * 50


async def check_sink(
    well: Maker, *, failing: Sequence[Maker] = (), hanging: Maker | None = None, secrets: Sequence[str] = ()
) -> None:
    """Check all promises of a sink. Raises AssertionError if one is broken.

    `well` connects it to a server that accepts everything, `failing` to servers that refuse, are down or cut the
    connection, and `hanging` to a server that never answers. `secrets` must never appear in any text.
    """
    await check_receipts(well, secrets)
    await check_edits(well)
    await check_close(well)
    await check_cancellation(well)
    for make in failing:
        await check_evidence(make, secrets)
    if hanging is not None:
        await check_hanging(hanging)


async def check_receipts(make: Maker, secrets: Sequence[str] = ()) -> None:
    """Messages of every kind, with several items and with hostile text, get a receipt; a probe gets an answer."""
    async with make() as sink:
        for items in ([item] for item in sample_items()):
            kind = type(items[0].notification.payload).__name__
            demand(isinstance(await sink.send(items), Receipt), f"sending {kind} returns no receipt")
        receipt: object = await sink.send(sample_items()[:2])
        demand(isinstance(receipt, Receipt), "sending two notifications returns no receipt")
        demand(isinstance(await sink.probe(), Answer), "a probe of a working server returns no answer")
        _hides(secrets, repr(sink), str(sink), repr(receipt))


async def check_edits(make: Maker) -> None:
    """An item with the message that shows its card changes that message, and posts none."""
    async with make() as sink:
        (item, *_) = sample_items()
        posted = await sink.send([item])
        card = Shown(posted.message_id, posted.channel, posted.guild, posted.webhook)
        edited: object = await sink.send([item._replace(card=card)])
        demand(isinstance(edited, Receipt), "an edit returns no receipt")
        demand(getattr(edited, "message_id", None) == posted.message_id, "an edit posts another message")


async def check_evidence(make: Maker, secrets: Sequence[str] = ()) -> None:
    """Failures raise evidence with a text, without a chained error, and without a secret.

    A probe may still succeed.
    """
    async with make() as sink:
        for call in (partial(sink.send, sample_items()[:1]), sink.probe):
            try:
                result: object = await call()
            except Evidence as evidence:
                _check_raised(evidence, secrets)
            except Exception as fault:
                raise AssertionError(f"it raises {type(fault).__name__}, which is not evidence") from fault
            else:
                demand(isinstance(result, Answer), "a send to a failing server returns a receipt or an answer")
        _hides(secrets, repr(sink), str(sink))


async def check_cancellation(make: Maker) -> None:
    """A send cancelled at any moment ends at once and leaves nothing running; the sink stays usable."""
    for steps in range(_STEPS):
        before = asyncio.all_tasks()
        async with make() as sink:
            sending = asyncio.ensure_future(sink.send(sample_items()[:1]))
            for _ in range(steps):
                await asyncio.sleep(0)
            await _cancelled(sending, f"after {steps} steps")
            await sink.send(sample_items()[:1])
        await _check_nothing_runs(before, f"a send that was cancelled after {steps} steps")


async def check_hanging(make: Maker) -> None:
    """A send or a probe that waits for an answer can be cancelled."""
    before = asyncio.all_tasks()
    async with make() as sink:
        for call in (partial(sink.send, sample_items()[:1]), sink.probe):
            calling: asyncio.Future[Any] = asyncio.ensure_future(call())
            await asyncio.wait([calling], timeout=0.05)
            demand(not calling.done(), "the server that should hang answers")
            await _cancelled(calling, "while it waited for an answer")
    await _check_nothing_runs(before, "a send that was cancelled while it waited for an answer")


async def check_close(make: Maker) -> None:
    """Closing twice is harmless, and later sends and probes raise Unavailable."""
    async with make() as sink:
        await sink.send(sample_items()[:1])
        await sink.close()
        await sink.close()
        for name, call in (("send", partial(sink.send, sample_items()[:1])), ("probe", sink.probe)):
            try:
                await call()
            except Unavailable:
                continue
            except Exception as fault:
                raise AssertionError(f"after close, {name} raises {type(fault).__name__}, not Unavailable") from fault
            raise AssertionError(f"after close, {name} still works")


def sample_items() -> list[Item]:
    """Make a notification of every kind, with plain and with hostile text."""
    now = clock.now()
    signal = Signal(
        pair="EUR_USD",
        timeframe="H4",
        signal_type="BUY",
        entry_price="1.16344",
        stop_loss="1.15780",
        take_profit="1.17190",
        timestamp=now,
    )
    plain: list[Payload] = [
        signal,
        Alert(alert_type="database_connectivity", severity="critical", title="No database", message="Refused."),
        MarketAnalysis(title="Calm", text="Nothing moves."),
        SystemStatus(status="operational"),
        Announcement(title="Welcome", text="We are here."),
    ]
    hostile: list[Payload] = [
        signal.but(strategy_name=_HOSTILE, notes=_HOSTILE),
        Alert(alert_type="x", severity="info", title=_HOSTILE, message=_HOSTILE, context={_HOSTILE: _HOSTILE}),
        MarketAnalysis(title=_HOSTILE, text=_HOSTILE),
        SystemStatus(status="x", message=_HOSTILE, metrics={_HOSTILE: None}),
        Announcement(title=_HOSTILE, text=_HOSTILE),
    ]
    return [Item(_notification(payload)) for payload in plain] + [
        Item(_notification(payload, Context({_HOSTILE: _HOSTILE})), may_repeat=True) for payload in hostile
    ]


def _notification(payload: Payload, context: Context = Context()) -> Notification:  # noqa: B008  # frozen
    return Notification(
        id=payload_id(payload),
        payload=payload,
        event="new",
        priority=NotificationPriority.NORMAL,
        user_tier=UserTier.FREE,
        accepted_at=clock.now(),
        valid_until=payload.valid_until,
        context=context,
    )


def _check_raised(evidence: Evidence, secrets: Sequence[str]) -> None:
    demand(isinstance(evidence, _KINDS), f"it raises {type(evidence).__name__}: raise one of the known types")
    demand(bool(str(evidence).strip()), f"{type(evidence).__name__} has no text")
    demand(
        evidence.__cause__ is None and evidence.__context__ is None,
        f"{type(evidence).__name__} is chained to another error, whose text may contain a secret",
    )
    _hides(secrets, str(evidence), repr(evidence), repr(vars(evidence)))
    below = evidence.__traceback__ and evidence.__traceback__.tb_next  # skip our own frame, which holds the secrets
    shown = traceback.TracebackException(type(evidence), evidence, below, capture_locals=True)
    _hides(secrets, *shown.format())


async def _cancelled(calling: asyncio.Future[Any], when: str) -> None:
    calling.cancel()
    done, _ = await asyncio.wait([calling], timeout=1)
    demand(bool(done), f"cancelled {when}, it keeps running")
    if not calling.cancelled() and (fault := calling.exception()) is not None:
        demand(isinstance(fault, Evidence), f"cancelled {when}, it raises {type(fault).__name__}")


async def _check_nothing_runs(before: set[asyncio.Task[Any]], after: str) -> None:
    for _ in range(_STEPS):
        if not asyncio.all_tasks() - before:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{after} leaves running: {asyncio.all_tasks() - before}")


def _hides(secrets: Sequence[str], *texts: str) -> None:
    demand(not any(secret in text for text in texts for secret in secrets), "a secret is shown")
