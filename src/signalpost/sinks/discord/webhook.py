"""A Discord webhook as a sink."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from signalpost import clock
from signalpost.errors import InvalidValue
from signalpost.sinks.discord.address import API_HOST, WebhookAddress
from signalpost.sinks.discord.cards.body import digest_of
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.cards.view import CHART_FILE
from signalpost.sinks.discord.message import edited, message
from signalpost.sinks.discord.outcome import (
    EDIT,
    WEBHOOK,
    is_archived,
    is_ban,
    is_gone,
    loss_of,
    probe_answer,
    receipt_of,
    refuse,
)
from signalpost.sinks.evidence import CardLost, Loss, Receipt, Rejected, Unavailable, Unchanged, Unwanted
from signalpost.sinks.http_answer import HttpAnswer
from signalpost.sinks.port import Answer, Item, Shown
from signalpost.sinks.wire import Connections, File, exchange

USUAL_LOOK = Look()

_encoder = msgspec.json.Encoder()


class _Rendered(NamedTuple):
    """A message that is ready to be sent."""

    body: bytes
    digest: str
    has_chart: bool
    file: File | None


class DiscordWebhook:
    """One webhook on shared connections, which stay open when it is closed."""

    def __init__(
        self, address: WebhookAddress, connections: Connections, *, name: str = "", look: Look = USUAL_LOOK
    ) -> None:
        self.address = address
        self.name = name
        self._look = look
        self._connections = connections
        self._is_closed = False
        self._guild: str | None = None
        self._is_reopened: bool | None = None
        """Whether something was posted since an edit found the thread archived; None if no edit did."""

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Show 1 to 10 notifications as one message, or edit the message that shows one already.

        Raises only Rejected, Unavailable, Throttled or Unconfirmed, and CardLost for an edit; none of them shows the
        URL. The receipt has no message id if a 2xx contains none. It names the Discord server once a probe has found
        it. Raises Unwanted for a companion that the operator turned off, and Unchanged for an edit that would change
        nothing. Neither sends a request.
        """
        self._check_open()
        card = edited(items)
        before = None if card is None else card.digest
        rendered = self._rendered(items, before)
        if isinstance(rendered, Rejected):
            raise rendered  # raise here, so that the original fault, which may quote a secret, is not its context
        if rendered.digest == before:
            raise Unchanged("its card shows this state")
        receipt = await (self._post(rendered) if card is None else self._edit(card, rendered))
        return receipt._replace(
            message_id=receipt.message_id if card is None else card.message_id,
            channel=receipt.channel or (card and card.channel),
            guild=self._guild,
            webhook=self.address.identity,
            digest=rendered.digest,
            has_chart=rendered.has_chart,
        )

    async def probe(self) -> Answer:
        """Request the webhook's own data, which shows nothing. The timeout is that of a message.

        Any answer below 500 counts as alive, because some servers in Discord's place do not support the request. A 429,
        a deleted webhook and, on Discord itself, Cloudflare's block are raised as by `send`. A 5xx or no answer raises
        Unavailable.
        """
        self._check_open()
        identity = self.address.identity
        answer = await exchange(self._connections, "GET", self.address.get_url)
        if answer.status >= 500:
            raise Unavailable(f"{answer.status} to a probe", status=answer.status, code=answer.whole_number("code"))
        is_shut_out = self.address.host == API_HOST and is_ban(answer)
        if answer.status == 429 or is_gone(answer) or is_shut_out:
            refuse(answer, identity, route=WEBHOOK)
        found = probe_answer(answer, identity, thread=self.address.thread is not None)
        self._guild = found.guild or self._guild
        return found

    async def close(self) -> None:
        """Stop sending; later calls raise Unavailable."""
        self._is_closed = True

    def __repr__(self) -> str:
        return f"DiscordWebhook({self.name!r}, {self.address.identity})"

    def _check_open(self) -> None:
        if self._is_closed:
            raise Unavailable("not sent: the webhook is closed")

    async def _post(self, rendered: _Rendered) -> Receipt:
        url = self.address.post_url
        answer = await exchange(self._connections, "POST", url, data=rendered.body, file=rendered.file)
        receipt = receipt_of(answer, self.address.identity)
        if self._is_reopened is False:
            self._is_reopened = True
        return receipt

    async def _edit(self, card: Shown, rendered: _Rendered) -> Receipt:
        identity = self.address.identity
        if card.webhook not in {None, identity}:
            raise CardLost("another webhook posted the message, and only that one can edit it", how=Loss.MOVED)
        url = self.address.message_url(card.message_id)
        answer = await exchange(self._connections, "PATCH", url, data=rendered.body, file=rendered.file)
        if (how := await self._loss(card, answer)) is not None:
            code = answer.whole_number("code")
            raise CardLost(f"cannot edit the message: {how}", how=how, status=answer.status, code=code)
        receipt = receipt_of(answer, identity, EDIT)
        self._is_reopened = None
        return receipt

    async def _loss(self, card: Shown, answer: HttpAnswer) -> Loss | None:
        """Why `card` cannot be edited; None if the answer does not mean that it is lost.

        If Discord does not know the message, the webhook's channel decides. Raises the evidence of a probe, and
        Unavailable if its answer does not tell the channel. A post reopens an archived thread unless the thread is
        locked, so a thread that is still archived after a post is locked.
        """
        if is_archived(answer):
            is_locked = self._is_reopened is True
            self._is_reopened = False
            return Loss.LOCKED if is_locked else None
        if (how := loss_of(answer)) is not Loss.DELETED:
            return how
        found = await self.probe()
        if found.status != 200:
            raise Unavailable(f"{found.status}, so the webhook's channel is unknown", status=found.status)
        place = self.address.thread or found.channel
        return Loss.MOVED if card.channel and place and card.channel != place else how

    def _rendered(self, items: Sequence[Item], before: str | None) -> _Rendered | Rejected:
        """The message, or a Rejected if it cannot be built, for any reason, or is not to be sent."""
        try:
            body = message(items, self._look, clock.now(), self._guild)
            chart = next((item.chart for item in items if item.chart and body.get("attachments")), None)
            file = None if chart is None else File(CHART_FILE, "image/png", chart.png)
            has_chart = any("image" in embed for embed in body.get("embeds", ()))
            return _Rendered(_encoder.encode(body), digest_of(body, before), has_chart, file)
        except Unwanted as unwanted:
            return unwanted
        except InvalidValue as fault:
            return Rejected(str(fault))
        except Exception as fault:  # noqa: BLE001
            return Rejected.unrendered(fault)
