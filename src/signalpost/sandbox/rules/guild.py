"""Discord's state, which is webhooks, channels and messages, and the effect of each kind of request on it."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from signalpost.sandbox.rules import exchange, message_form
from signalpost.sandbox.rules.form import MOST_FILES, Form, form_of, too_many_files
from signalpost.sandbox.rules.mentions import Pings
from signalpost.sandbox.rules.message import Shown, edited_message, headline_of, new_message, notification_of, timestamp
from signalpost.sandbox.rules.slack_form import slack_form_of
from signalpost.sandbox.rules.snowflake import snowflake, snowflake_of

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_OK = exchange.HttpAnswer(200, {**exchange.JSON, "Content-Type": "text/html; charset=utf-8"}, b"ok")
_NO_CONTENT = exchange.HttpAnswer(204, {"Via": exchange.JSON["Via"]})
_FILES_KEPT = 500
KEPT = 100_000
"""Messages of each channel."""
GUILD_ID = snowflake_of("signalpost sandbox")


class Webhook(NamedTuple):
    """Anyone with the token can post to its channel."""

    id: str
    token: str
    channel: str
    """The channel's name."""
    name: str
    """The default author of its messages."""

    def __repr__(self) -> str:
        return f"Webhook({self.id}, channel={self.channel})"


class Thread(NamedTuple):
    """A thread. A post reopens an archived one, unless it is locked."""

    id: str
    archived: bool = False
    locked: bool = False
    channel: str | None = None
    """The channel's name; a thread without one belongs to that of its first post."""


class Deleted(NamedTuple):
    """A message that was deleted."""

    id: str
    timestamp: str
    headline: str
    deleted_at: str
    by_moderator: bool


class Effect(NamedTuple):
    """The change a request made."""

    message_id: str | None = None
    recorded: bool = False
    shown: Shown | None = None
    pings: Pings = Pings()
    silent: bool = False
    edited: bool = False
    notification: str | None = None
    """The text on readers' phones; None if it notified nobody."""


class Guild:
    """The webhooks, channels and messages of one Discord.

    With `open`, a webhook of any id and token is created on first use, with a channel named after its id. Each channel
    keeps its newest messages; older ones become unknown.
    """

    def __init__(self, *, open: bool) -> None:
        self._open = open
        self._webhooks: dict[str, Webhook] = {}
        self._deleted_webhooks: set[str] = set()
        self._messages: dict[str, dict[str, dict[str, Any]]] = {}
        self._notifications: dict[str, str] = {}
        self._deleted: dict[str, deque[Deleted]] = {}
        self._threads: dict[str, Thread] = {}
        self._files: dict[str, bytes] = {}
        self._count = 0

    def register(self, id: str, token: str, *, channel: str | None = None) -> Webhook:
        """Create a webhook. The channel defaults to one named after the id."""
        webhook = Webhook(id, token, channel or id.lower(), "signalpost")
        self._webhooks[id] = webhook
        self._deleted_webhooks.discard(id)
        self._messages.setdefault(webhook.channel, {})
        return webhook

    def move(self, id: str, channel: str) -> None:
        """Move a webhook to another channel, as a moderator can. It no longer reaches its earlier messages.

        Raises Refusal for an unknown webhook.
        """
        if id not in self._webhooks:
            raise exchange.refusal_of(exchange.UNKNOWN_WEBHOOK)
        self._webhooks[id] = self._webhooks[id]._replace(channel=channel)
        self._messages.setdefault(channel, {})

    def open_thread(self, id: str, *, archived: bool = False, locked: bool = False) -> None:
        """Create or change a thread; messages are sent to it with `thread_id`."""
        thread = self._threads.get(id, Thread(id))
        self._threads[id] = thread._replace(archived=archived, locked=locked)

    def delete(self, id: str) -> None:
        """Delete a webhook permanently, as a person can in Discord."""
        self._webhooks.pop(id, None)
        self._deleted_webhooks.add(id)

    def delete_message(self, channel: str, id: str, at: datetime | None = None) -> str | None:
        """Delete a message, as a moderator can, and return the id of its channel or thread; None if it is unknown.

        `at` defaults to when it was sent.
        """
        message = self._messages[channel].get(id)
        if message is None:
            return None
        self._remove(channel, message, timestamp(at) if at else message["timestamp"], by_moderator=True)
        channel_id: str = message["channel_id"]
        return channel_id

    def channel_with(self, message_id: str) -> str:
        """The channel that shows a message. Raises Refusal for an unknown one."""
        for channel, messages in self._messages.items():
            if message_id in messages:
                return channel
        raise exchange.refusal_of(exchange.UNKNOWN_MESSAGE)

    def channels(self) -> list[str]:
        """The names of all channels, oldest first."""
        return list(self._messages)

    def messages(self, channel: str) -> list[dict[str, Any]]:
        """The messages of a channel, oldest first."""
        return list(self._messages.get(channel, {}).values())

    def notifications(self, channel: str) -> dict[str, str]:
        """The notification texts of a channel's messages by id; silent messages have none."""
        kept = self._messages.get(channel, ())
        return {each: self._notifications[each] for each in kept if each in self._notifications}

    def file(self, id: str) -> bytes | None:
        """The content of an attachment; None if it is unknown, or no longer kept."""
        return self._files.get(id)

    def deleted(self, channel: str) -> list[Deleted]:
        """The messages deleted from a channel, in the order of their deletion."""
        return list(self._deleted.get(channel, ()))

    def threads(self) -> list[Thread]:
        """All threads."""
        return list(self._threads.values())

    def webhooks_of(self, channel: str) -> list[str]:
        """The ids of a channel's webhooks."""
        return [webhook.id for webhook in self._webhooks.values() if webhook.channel == channel]

    def channel_of(self, id: str) -> str | None:
        """The channel of a webhook; None if the webhook does not exist."""
        webhook = self._webhooks.get(id)
        return webhook.channel if webhook else None

    def channel_id(self, channel: str, thread: str | None) -> str:
        """The id of a channel, or of a known thread in it."""
        return thread if thread in self._threads else channel_id_of(channel)

    def message(self, webhook: Webhook, id: str, thread: str | None) -> dict[str, Any]:
        """Find a message of `webhook` in its channel or thread. Raises Refusal for an unknown one."""
        self._require_thread(thread, webhook)
        message = self._messages[webhook.channel].get(id)
        place = thread or channel_id_of(webhook.channel)
        if message is None or message["webhook_id"] != snowflake_of(webhook.id) or message["channel_id"] != place:
            raise exchange.refusal_of(exchange.UNKNOWN_MESSAGE)
        return message

    def webhook(self, address: exchange.Address) -> Webhook:
        """Find the webhook at `address`. Raises Refusal for an unknown webhook or a wrong token."""
        webhook = self._webhooks.get(address.webhook)
        if webhook is None and self._open and address.webhook not in self._deleted_webhooks:
            webhook = self.register(address.webhook, address.token)
        if webhook is None:
            raise exchange.refusal_of(exchange.UNKNOWN_WEBHOOK)
        if webhook.token != address.token and not self._open:
            raise exchange.refusal_of(exchange.WRONG_TOKEN)
        return webhook

    def do(
        self, webhook: Webhook, address: exchange.Address, request: exchange.HttpRequest, now: exchange.Moment
    ) -> tuple[Effect, exchange.HttpAnswer]:
        """Execute `request` on `webhook`. Raises Refusal."""
        if address.message is not None:
            message = self.message(webhook, address.message, request.query.get("thread_id"))
            return self._handle_message(webhook, message, request, now)
        match request.method:
            case "POST" if address.is_slack:
                effect, _ = self._post(webhook, request, slack_form_of(request), now)
                return effect, _OK
            case "POST":
                return self._post(webhook, request, form_of(request), now)
            case "DELETE":
                self.delete(webhook.id)
                return Effect(recorded=True), _NO_CONTENT
            case "PATCH":
                return Effect(recorded=True), exchange.json_answer(
                    200, _webhook_json(self._rename(webhook, form_of(request)))
                )
            case _:
                return Effect(), exchange.json_answer(200, _webhook_json(webhook))

    def _require_thread(self, id: str | None, webhook: Webhook) -> None:
        thread = self._threads.get(id) if id else None
        if id and (thread is None or thread.channel not in (None, webhook.channel)):
            raise exchange.refusal_of(exchange.UNKNOWN_CHANNEL)

    def _rename(self, webhook: Webhook, form: Form) -> Webhook:
        name = form.fields.get("name")
        if problems := message_form.check_webhook_name(name):
            raise exchange.invalid_form(*problems)
        changed = webhook if name is None else webhook._replace(name=name.strip())
        self._webhooks[webhook.id] = changed
        return changed

    def _post(
        self, webhook: Webhook, request: exchange.HttpRequest, form: Form, now: exchange.Moment
    ) -> tuple[Effect, exchange.HttpAnswer]:
        wait, thread = _boolean(request.query, "wait"), request.query.get("thread_id")
        self._require_thread(thread, webhook)
        if problems := message_form.check_new_message(form.fields):
            raise exchange.invalid_form(*problems)
        if form.fields.get("thread_name"):
            raise exchange.Refusal(400, 220003, "Webhooks can only create threads in forum channels")
        form = _with_components(form, request)
        shown = new_message(
            form,
            id=snowflake(now.at, self._count + 1),
            channel_id=thread or channel_id_of(webhook.channel),
            webhook_id=snowflake_of(webhook.id),
            name=webhook.name,
            now=now,
        )
        self._keep_message(webhook, shown)
        if thread:
            before = self._threads[thread]
            self._threads[thread] = before._replace(archived=before.archived and before.locked, channel=webhook.channel)
        effect = self._notify(shown)
        if wait or form.files:  # Discord answers with the message when it has files to process
            return effect, exchange.json_answer(200, shown.message)
        return effect, _NO_CONTENT

    def _notify(self, shown: Shown) -> Effect:
        """The effect of a post. Its notification is kept, because later edits do not change it."""
        sent, notification = shown.message["id"], notification_of(shown.message)
        if notification is not None:
            self._notifications[sent] = notification
        return Effect(
            sent, recorded=True, shown=shown, pings=shown.pings, silent=shown.is_silent, notification=notification
        )

    def _handle_message(
        self, webhook: Webhook, message: dict[str, Any], request: exchange.HttpRequest, now: exchange.Moment
    ) -> tuple[Effect, exchange.HttpAnswer]:
        match request.method:
            case "GET":
                return Effect(message["id"]), exchange.json_answer(200, message)
            case "DELETE":
                self._remove(webhook.channel, message, timestamp(now.at), by_moderator=False)
                return Effect(message["id"], recorded=True), _NO_CONTENT
            case _:
                return self._edit(webhook, message, _with_components(form_of(request), request), now)

    def _edit(
        self, webhook: Webhook, message: dict[str, Any], form: Form, now: exchange.Moment
    ) -> tuple[Effect, exchange.HttpAnswer]:
        if problems := message_form.check_edit(form.fields):
            raise exchange.invalid_form(*problems)
        thread = self._threads.get(message["channel_id"])
        if thread and (thread.archived or thread.locked):
            raise exchange.refusal_of(exchange.THREAD_ARCHIVED)
        shown = edited_message(message, form, now)
        if problems := list(message_form.check_components_v2(shown.message)):
            raise exchange.invalid_form(*problems)
        if len(shown.message["attachments"]) > MOST_FILES:
            raise too_many_files()
        self._keep_message(webhook, shown)
        effect = Effect(message["id"], recorded=True, shown=shown, silent=shown.is_silent, edited=True)
        return effect, exchange.json_answer(200, shown.message)

    def _keep_message(self, webhook: Webhook, shown: Shown) -> None:
        if shown.is_empty:
            raise exchange.Refusal(400, 50006, "Cannot send an empty message")
        messages = self._messages[webhook.channel]
        messages[shown.message["id"]] = shown.message
        self._count += 1
        self._files |= shown.files
        for oldest in list(self._files)[:-_FILES_KEPT]:
            del self._files[oldest]
        if len(messages) > KEPT:
            self._forget(webhook.channel, next(iter(messages)))

    def _remove(self, channel: str, message: dict[str, Any], at: str, *, by_moderator: bool) -> None:
        deleted = Deleted(message["id"], message["timestamp"], headline_of(message), at, by_moderator)
        self._deleted.setdefault(channel, deque(maxlen=KEPT)).append(deleted)
        self._forget(channel, message["id"])

    def _forget(self, channel: str, id: str) -> None:
        del self._messages[channel][id]
        self._notifications.pop(id, None)


def channel_id_of(channel: str) -> str:
    """The id of the channel with this name."""
    return snowflake_of(f"#{channel}")


def _webhook_json(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": snowflake_of(webhook.id),
        "type": 1,
        "name": webhook.name,
        "avatar": None,
        "channel_id": channel_id_of(webhook.channel),
        "guild_id": GUILD_ID,
        "application_id": None,
        "token": webhook.token,
        "url": f"https://discord.com/api/webhooks/{snowflake_of(webhook.id)}/{webhook.token}",
    }


def _with_components(form: Form, request: exchange.HttpRequest) -> Form:
    """Without `with_components`, Discord ignores the components from a webhook that belongs to no application."""
    if _boolean(request.query, "with_components"):
        return form
    return form._replace(fields={name: value for name, value in form.fields.items() if name != "components"})


def _boolean(query: Mapping[str, str], name: str) -> bool:
    value = _BOOLEANS.get(query.get(name, "false").lower())
    if value is None:
        raise exchange.invalid_form(exchange.Problem((name,), "BOOLEAN_TYPE_CONVERT", "Must be either true or false."))
    return value
