"""Edits of a card, over the wire: most of them against the sandbox, which answers as Discord does."""

from collections.abc import AsyncIterator

import pytest

from signalpost import UserTier
from signalpost.domain.change import Update
from signalpost.domain.life import after, opened
from signalpost.domain.tier import Hidden, TierCopy
from signalpost.errors import Evidence
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.rules.moderator import Action, DeleteMessage, MoveWebhook, SetThread
from signalpost.sandbox.server import Sandbox, present_moment
from signalpost.sinks.discord.cards.look import Event, Look, Sending
from signalpost.sinks.discord.message import message
from signalpost.sinks.discord.webhook import DiscordWebhook
from signalpost.sinks.evidence import CardLost, Loss, Receipt, Rejected, Throttled, Unavailable, Unchanged, Unwanted
from signalpost.sinks.port import Chart, Item, Shown
from signalpost.sinks.wire import Connections
from tests.unit.sinks.discord.sinks import JSON, SAVED, always, before, outcome, webhook
from tests.unit.sinks.notifications import AT, item, notification, signal
from tests.unit.sinks.raw_server import Connection, answer

HOOK, THREAD = "signals-free", "123456789012345678"
BEFORE = opened(signal(), 7, (UserTier.FREE,), AT)
NOW = after(BEFORE, Update(stop_at_entry=True), AT)
CHANGED = notification(signal(), event="v2", trade=NOW)
NEWS = Item(CHANGED.but(before=BEFORE))
ANYWHERE = Shown("1409000000000000000")
UNKNOWN = answer(404, b'{"code": 10008}', JSON)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(limits=OFF) as running:
        yield running


@pytest.fixture
async def sink(sandbox: Sandbox) -> AsyncIterator[DiscordWebhook]:
    async with webhook(sandbox.webhook(HOOK), connect=1.0, total=5.0) as made:
        yield made


async def posted(sink: DiscordWebhook) -> Shown:
    """Where the card is that the sink has posted."""
    return shown(await outcome(sink, item(signal(), number=7)))


def shown(receipt: Receipt | Evidence) -> Shown:
    assert isinstance(receipt, Receipt)
    return Shown(receipt.message_id, receipt.channel, receipt.guild, receipt.webhook, receipt.digest)


async def edit(sink: DiscordWebhook, card: Shown) -> Receipt | Evidence:
    return await outcome(sink, Item(CHANGED, card=card))


def moderate(sandbox: Sandbox, action: Action) -> None:
    sandbox.discord.moderate(action, present_moment())


def how(found: Receipt | Evidence) -> Loss:
    assert isinstance(found, CardLost)
    return found.how


def methods(sandbox: Sandbox) -> list[str]:
    return [logged.entry.method for logged in sandbox.discord.log.since(0)]


async def test_an_edit_changes_the_message_and_posts_none(sandbox: Sandbox, sink: DiscordWebhook) -> None:
    await sink.probe()
    card = await posted(sink)
    changed = shown(await edit(sink, card))
    assert changed == card._replace(digest=changed.digest)
    assert changed.digest != card.digest
    (message,) = sandbox.discord.guild.messages(HOOK)
    assert (message["id"], message["channel_id"], message["content"]) == (card.message_id, card.channel, "")
    assert message["embeds"][0]["title"] == "▲ EUR/USD · SL AT ENTRY"
    assert message["edited_timestamp"] is not None


async def test_a_receipt_names_the_server_once_a_probe_has_found_it(sandbox: Sandbox, sink: DiscordWebhook) -> None:
    first = await posted(sink)
    found = await sink.probe()
    card = await posted(sink)
    assert (first.guild, first.webhook) == (None, sink.address.identity)
    assert (card.guild, card.channel, card.webhook) == (found.guild, found.channel, sink.address.identity)
    assert found.guild is not None
    await outcome(sink, NEWS._replace(card=first))
    companion = sandbox.discord.guild.messages(HOOK)[-1]["content"]
    assert f"/channels/{found.guild}/{first.channel}/{first.message_id})" in companion
    assert methods(sandbox) == ["POST", "GET", "POST", "POST"]


async def test_a_message_that_was_deleted_is_lost(sandbox: Sandbox, sink: DiscordWebhook) -> None:
    card = await posted(sink)
    moderate(sandbox, DeleteMessage(card.message_id))
    found = await edit(sink, card)
    assert how(found) is Loss.DELETED
    assert (getattr(found, "status", None), getattr(found, "api_code", None)) == (404, 10008)
    assert how(await edit(sink, card._replace(channel=None))) is Loss.DELETED
    assert sandbox.discord.guild.messages(HOOK) == []


async def test_a_card_in_a_channel_that_the_webhook_left_has_moved(sandbox: Sandbox, sink: DiscordWebhook) -> None:
    card = await posted(sink)
    moderate(sandbox, MoveWebhook(HOOK, "elsewhere"))
    assert how(await edit(sink, card)) is Loss.MOVED
    assert len(sandbox.discord.guild.messages(HOOK)) == 1


async def test_a_card_of_another_webhook_has_moved_without_a_request(sandbox: Sandbox, sink: DiscordWebhook) -> None:
    card = await posted(sink)
    assert how(await edit(sink, card._replace(webhook="another"))) is Loss.MOVED
    assert methods(sandbox) == ["POST"]
    assert isinstance(await edit(sink, card._replace(webhook=None)), Receipt)


async def test_a_limit_on_old_edits_holds_only_edits(sandbox: Sandbox, sink: DiscordWebhook) -> None:
    card = await posted(sink)
    limited = usual_answer(429, retry_after=300, code=30046)
    sandbox.discord.faults.plan(Fault(HOOK, "PATCH", answer=limited, is_processed=False))
    found = await edit(sink, card)
    assert isinstance(found, Throttled)
    assert (found.scope, found.retry_after) == ("edits", 300)
    assert isinstance(await outcome(sink), Receipt)


async def test_a_card_in_a_thread_is_edited_there(sandbox: Sandbox) -> None:
    sandbox.discord.guild.open_thread(THREAD)
    async with webhook(f"{sandbox.webhook(HOOK)}?thread_id={THREAD}", connect=1.0, total=5.0) as sink:
        card = await posted(sink)
        assert card.channel == THREAD
        assert isinstance(await edit(sink, card), Receipt)
        moderate(sandbox, DeleteMessage(card.message_id))
        assert how(await edit(sink, card)) is Loss.DELETED
    async with webhook(sandbox.webhook(HOOK), connect=1.0, total=5.0) as outside:
        assert how(await edit(outside, card._replace(webhook=None))) is Loss.MOVED


@pytest.mark.parametrize("is_locked", [True, False])
async def test_a_thread_that_a_post_does_not_reopen_is_locked(sandbox: Sandbox, is_locked: bool) -> None:
    sandbox.discord.guild.open_thread(THREAD)
    async with webhook(f"{sandbox.webhook(HOOK)}?thread_id={THREAD}", connect=1.0, total=5.0) as sink:
        card = await posted(sink)
        moderate(sandbox, SetThread(THREAD, archived=True, locked=is_locked))
        assert [type(await edit(sink, card)) for _ in range(2)] == [Unavailable] * 2
        assert isinstance(await outcome(sink, NEWS), Receipt)
        again = await edit(sink, card)
        assert (how(again) is Loss.LOCKED) if is_locked else isinstance(again, Receipt)
        moderate(sandbox, SetThread(THREAD, archived=True, locked=is_locked))
        assert type(await edit(sink, card)) is Unavailable, "a thread that is archived again was not posted to"


async def test_a_missing_answer_to_an_edit_leaves_no_doubt() -> None:
    async def cut(connection: Connection) -> None:
        await connection.request()
        connection.reset()

    async with before(cut) as (sink, server):
        assert type(await edit(sink, ANYWHERE)) is Unavailable
        (request,) = server.requests
        assert request.line.startswith("PATCH /api/webhooks/123456789012345678/the-secret-token/messages/14090")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(503), Unavailable),
        (answer(403, b'{"code": 50013}', JSON), Unavailable),
        (answer(429, b'{"retry_after": 2.0}', JSON), Throttled),
        (answer(404, b'{"code": 10015}', JSON), Rejected),
    ],
)
async def test_nothing_is_lost_if_the_webhook_does_not_say_where_it_posts(given: bytes, kind: type) -> None:
    async with before(always(UNKNOWN, given)) as (sink, server):
        assert type(await edit(sink, ANYWHERE)) is kind
        assert [request.line.split()[0] for request in server.requests] == ["PATCH", "GET"]


async def test_an_edit_without_the_message_in_its_answer_is_of_that_message() -> None:
    card = ANYWHERE._replace(channel="5")
    async with before(always(answer(200, b"{}", JSON))) as (sink, _):
        found = shown(await edit(sink, card))
        assert found == card._replace(webhook=sink.address.identity, digest=found.digest)


async def test_a_companion_that_is_not_to_be_sent_is_settled_without_a_request() -> None:
    quiet = Look(companions={Event.STOP: Sending.OFF})
    async with before(always(SAVED)) as (sink, server):
        silent = DiscordWebhook(sink.address, Connections("tests"), look=quiet)
        with pytest.raises(Unwanted):
            await silent.send([NEWS])
        assert server.requests == []


def test_a_companion_whose_change_was_undone_before_it_was_sent_is_not_called_turned_off() -> None:
    off = Look(companions={Event.STOP: Sending.OFF})
    undone = NEWS._replace(notification=NEWS.notification.but(id="undone", trade=BEFORE.but(version=3)))
    with pytest.raises(Unwanted, match="undone") as caught:
        message([undone, NEWS], off, AT)
    assert caught.value.ids == {"undone"}, "the other one is tried again alone"


HIDDEN = Look(copies={UserTier.FREE: TierCopy(hidden=frozenset({Hidden.STOP}))})
NOTED = notification(signal(), event="v2", trade=after(BEFORE, Update(note="one"), AT))


@pytest.mark.parametrize(("look", "is_shown"), [(HIDDEN, False), (Look(), True)])
async def test_a_change_that_the_tier_hides_sends_no_request(sandbox: Sandbox, look: Look, *, is_shown: bool) -> None:
    async with webhook(sandbox.webhook(HOOK), connect=1.0, total=5.0, look=look) as sink:
        card = await posted(sink)
        found = await outcome(sink, Item(NOTED, card=card))
        assert type(found) is (Receipt if is_shown else Unchanged)
        assert methods(sandbox) == ["POST", "PATCH"][: 1 + is_shown]


async def test_an_edit_is_sent_unless_it_is_certain_that_the_message_shows_this(
    sandbox: Sandbox, sink: DiscordWebhook
) -> None:
    card = await posted(sink)
    changed = shown(await edit(sink, card))
    assert type(await edit(sink, changed)) is Unchanged
    assert shown(await edit(sink, changed._replace(digest=None))) == changed
    assert methods(sandbox) == ["POST", "PATCH", "PATCH"]


async def test_a_chart_is_uploaded_kept_and_removed(sandbox: Sandbox, sink: DiscordWebhook) -> None:
    card = await posted(sink)
    chart = Chart(b"\x89PNG picture", "what it shows")
    opening = Item(notification(signal(), event="v1 chart", trade=BEFORE), card=card, chart=chart)
    added = await outcome(sink, opening)
    assert isinstance(added, Receipt)
    assert added.has_chart
    (message,) = sandbox.discord.guild.messages(HOOK)
    (attachment,) = message["attachments"]
    assert (attachment["filename"], attachment["description"]) == ("chart.png", "what it shows")
    assert (message["content"] != "", sandbox.discord.guild.file(attachment["id"])) == (True, chart.png)
    again = await outcome(sink, opening._replace(card=shown(added)._replace(has_chart=None, digest=None)))
    assert isinstance(again, Receipt)
    assert len(sandbox.discord.guild.messages(HOOK)[0]["attachments"]) == 1, "an upload can be repeated"
    kept = await edit(sink, shown(again)._replace(has_chart=True))
    assert isinstance(kept, Receipt)
    (message,) = sandbox.discord.guild.messages(HOOK)
    assert (kept.has_chart, len(message["attachments"]), "image" in message["embeds"][0]) == (True, 1, True)
    doubtful = await edit(sink, shown(kept)._replace(has_chart=None))
    assert isinstance(doubtful, Receipt)
    (message,) = sandbox.discord.guild.messages(HOOK)
    assert (doubtful.has_chart, message["attachments"], "image" in message["embeds"][0]) == (False, [], False)
