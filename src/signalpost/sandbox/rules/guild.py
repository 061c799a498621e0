"""Discord's state, which is webhooks, channels and messages, and the effect of each kind of request on it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from signalpost.sandbox.rules.address import Address
from signalpost.sandbox.rules.exchange import JSON, HttpAnswer, HttpRequest, Moment, json_answer
from signalpost.sandbox.rules.form import Form, form_of
from signalpost.sandbox.rules.mentions import Pings
from signalpost.sandbox.rules.message import Shown, edited_message, new_message
from signalpost.sandbox.rules.message_form import check_edit, check_new_message, check_webhook_name
from signalpost.sandbox.rules.refusal import Problem, Refusal, invalid_form
from signalpost.sandbox.rules.slack_form import slack_form_of
from signalpost.sandbox.rules.snowflake import snowflake, snowflake_of

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_OK = HttpAnswer(200, {**JSON, "Content-Type": "text/html; charset=utf-8"}, b"ok")
_NO_CONTENT = HttpAnswer(204, {"Via": JSON["Via"]})


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


class Effect(NamedTuple):
    """The change a request made."""

    message_id: str | None = None
    recorded: bool = False
    shown: Shown | None = None
    pings: Pings = Pings()
    silent: bool = False


class Guild:
    """The webhooks, channels and messages of one Discord.

    With `open`, a webhook of any id and token is created on first use, with a channel named after its id. Each channel
    keeps its newest `keep` messages; older ones become unknown.
    """

    def __init__(self, *, open: bool, keep: int) -> None:
        self._open = open
        self._keep = keep
        self._webhooks: dict[str, Webhook] = {}
        self._deleted: set[str] = set()
        self._messages: dict[str, dict[str, dict[str, Any]]] = {}
        self._threads: set[str] = set()
        self._count = 0

    def register(self, id: str, token: str, *, channel: str | None = None, name: str = "signalpost") -> Webhook:
        """Create a webhook. The channel defaults to one named after the id."""
        webhook = Webhook(id, token, channel or id.lower(), name)
        self._webhooks[id] = webhook
        self._deleted.discard(id)
        self._messages.setdefault(webhook.channel, {})
        return webhook

    def open_thread(self, id: str) -> None:
        """Create a thread; messages are sent to it with `thread_id`."""
        self._threads.add(id)

    def delete(self, id: str) -> None:
        """Delete a webhook permanently, as a person can in Discord."""
        self._webhooks.pop(id, None)
        self._deleted.add(id)

    def delete_message(self, channel: str, id: str) -> None:
        """Delete a message, as a moderator can."""
        self._messages[channel].pop(id, None)

    def channels(self) -> list[str]:
        """The names of all channels, oldest first."""
        return list(self._messages)

    def messages(self, channel: str) -> list[dict[str, Any]]:
        """The messages of a channel, oldest first."""
        return list(self._messages.get(channel, {}).values())

    def webhooks_of(self, channel: str) -> list[str]:
        """The ids of a channel's webhooks."""
        return [webhook.id for webhook in self._webhooks.values() if webhook.channel == channel]

    def channel_of(self, id: str) -> str | None:
        """The channel of a webhook; None if the webhook does not exist."""
        webhook = self._webhooks.get(id)
        return webhook.channel if webhook else None

    def webhook(self, address: Address) -> Webhook:
        """Find the webhook at `address`. Raises Refusal for an unknown webhook or a wrong token."""
        webhook = self._webhooks.get(address.webhook)
        if webhook is None and self._open and address.webhook not in self._deleted:
            webhook = self.register(address.webhook, address.token)
        if webhook is None:
            raise Refusal(404, 10015, "Unknown Webhook")
        if webhook.token != address.token and not self._open:
            raise Refusal(401, 50027, "Invalid Webhook Token")
        return webhook

    def do(self, webhook: Webhook, address: Address, request: HttpRequest, now: Moment) -> tuple[Effect, HttpAnswer]:
        """Execute `request` on `webhook`. Raises Refusal."""
        thread = request.query.get("thread_id")
        if thread and thread not in self._threads and (address.message is not None or request.method == "POST"):
            raise Refusal(404, 10003, "Unknown Channel")
        if address.message is not None:
            return self._handle_message(webhook, address.message, request, now)
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
                return Effect(recorded=True), json_answer(200, _webhook_json(self._rename(webhook, form_of(request))))
            case _:
                return Effect(), json_answer(200, _webhook_json(webhook))

    def _rename(self, webhook: Webhook, form: Form) -> Webhook:
        name = form.fields.get("name")
        if problems := check_webhook_name(name):
            raise invalid_form(*problems)
        changed = webhook if name is None else webhook._replace(name=name.strip())
        self._webhooks[webhook.id] = changed
        return changed

    def _post(self, webhook: Webhook, request: HttpRequest, form: Form, now: Moment) -> tuple[Effect, HttpAnswer]:
        wait = _boolean(request.query, "wait")
        if problems := check_new_message(form.fields):
            raise invalid_form(*problems)
        if form.fields.get("thread_name"):
            raise Refusal(400, 220003, "Webhooks can only create threads in forum channels")
        if not _boolean(request.query, "with_components"):
            form = form._replace(fields={**form.fields, "components": None})
        shown = new_message(
            form,
            id=snowflake(now.at, self._count + 1),
            channel_id=request.query.get("thread_id") or snowflake_of(f"#{webhook.channel}"),
            webhook_id=snowflake_of(webhook.id),
            name=webhook.name,
            now=now,
        )
        self._keep_message(webhook, shown)
        effect = Effect(shown.message["id"], recorded=True, shown=shown, pings=shown.pings, silent=shown.is_silent)
        if wait or form.files:  # Discord answers with the message when it has files to process
            return effect, json_answer(200, shown.message)
        return effect, _NO_CONTENT

    def _handle_message(
        self, webhook: Webhook, id: str, request: HttpRequest, now: Moment
    ) -> tuple[Effect, HttpAnswer]:
        messages = self._messages[webhook.channel]
        message = messages.get(id)
        if message is None or message["webhook_id"] != snowflake_of(webhook.id):
            raise Refusal(404, 10008, "Unknown Message")
        match request.method:
            case "GET":
                return Effect(id), json_answer(200, message)
            case "DELETE":
                del messages[id]
                return Effect(id, recorded=True), _NO_CONTENT
            case _:
                form = form_of(request)
                if problems := check_edit(form.fields):
                    raise invalid_form(*problems)
                shown = edited_message(message, form, now)
                self._keep_message(webhook, shown)
                return Effect(id, recorded=True, shown=shown, silent=shown.is_silent), json_answer(200, shown.message)

    def _keep_message(self, webhook: Webhook, shown: Shown) -> None:
        if shown.is_empty:
            raise Refusal(400, 50006, "Cannot send an empty message")
        messages = self._messages[webhook.channel]
        messages[shown.message["id"]] = shown.message
        self._count += 1
        if len(messages) > self._keep:
            del messages[next(iter(messages))]


def _webhook_json(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": snowflake_of(webhook.id),
        "type": 1,
        "name": webhook.name,
        "avatar": None,
        "channel_id": snowflake_of(f"#{webhook.channel}"),
        "guild_id": snowflake_of("signalpost sandbox"),
        "application_id": None,
        "token": webhook.token,
        "url": f"https://discord.com/api/webhooks/{snowflake_of(webhook.id)}/{webhook.token}",
    }


def _boolean(query: Mapping[str, str], name: str) -> bool:
    value = _BOOLEANS.get(query.get(name, "false").lower())
    if value is None:
        raise invalid_form(Problem((name,), "BOOLEAN_TYPE_CONVERT", "Must be either true or false."))
    return value
