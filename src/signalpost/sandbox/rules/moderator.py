"""A moderator's actions on the sandbox: delete a message, move or delete a webhook, archive or lock a thread."""

from typing import NamedTuple

import msgspec

from signalpost.sandbox.rules.exchange import UNKNOWN_WEBHOOK, Moment, refusal_of
from signalpost.sandbox.rules.guild import Guild
from signalpost.sandbox.rules.log import MODERATOR, Entry
from signalpost.sandbox.rules.message import timestamp


class _Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action"):
    """One action; its tag is the JSON field `action`."""


class DeleteMessage(_Action, frozen=True, tag="delete-message"):
    """Delete a message of any webhook. Edits of it get 10008 from then on."""

    message_id: str


class MoveWebhook(_Action, frozen=True, tag="move-webhook"):
    """Move a webhook to another channel. It can no longer edit or delete its earlier messages."""

    webhook: str
    channel: str


class DeleteWebhook(_Action, frozen=True, tag="delete-webhook"):
    """Delete a webhook permanently."""

    webhook: str


class SetThread(_Action, frozen=True, tag="set-thread"):
    """Create a thread, or change whether it is archived and locked."""

    thread_id: str
    archived: bool = False
    locked: bool = False


Action = DeleteMessage | MoveWebhook | DeleteWebhook | SetThread


class Target(NamedTuple):
    """The webhook, channel and message of an action, as far as it has them."""

    webhook: str = ""
    channel: str | None = None
    channel_id: str | None = None
    message_id: str | None = None


def moderate(guild: Guild, action: Action, now: Moment) -> Target:
    """Carry out `action` on `guild`. Raises Refusal for an unknown message or webhook."""
    match action:
        case DeleteMessage(message_id):
            channel = guild.channel_with(message_id)
            channel_id = guild.delete_message(channel, message_id, now.at)
            return Target(channel=channel, channel_id=channel_id, message_id=message_id)
        case MoveWebhook(webhook, channel):
            guild.move(webhook, channel)
            return Target(webhook, channel, guild.channel_id(channel, None))
        case DeleteWebhook(webhook):
            deleted_from = guild.channel_of(webhook)
            if deleted_from is None:
                raise refusal_of(UNKNOWN_WEBHOOK)
            guild.delete(webhook)
            return Target(webhook, deleted_from, guild.channel_id(deleted_from, None))
        case _:
            guild.open_thread(action.thread_id, archived=action.archived, locked=action.locked)
            return Target(channel_id=action.thread_id)


def entry_of(action: Action, target: Target, n: int, now: Moment) -> Entry:
    """The entry in the log for an action."""
    return Entry(
        n=n,
        time=timestamp(now.at),
        webhook=target.webhook,
        channel=target.channel,
        channel_id=target.channel_id,
        method=MODERATOR,
        status=204,
        message_id=target.message_id,
        recorded=True,
        body=msgspec.to_builtins(action),
    )
