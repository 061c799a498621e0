"""A Discord webhook as a sink."""

from collections.abc import Sequence

import msgspec

from signalpost import clock
from signalpost.errors import InvalidValue
from signalpost.sinks.discord.address import API_HOST, WebhookAddress
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.message import message
from signalpost.sinks.discord.outcome import is_ban, is_gone, probe_answer, receipt_of, refuse
from signalpost.sinks.evidence import Receipt, Rejected, Unavailable
from signalpost.sinks.port import Answer, Item
from signalpost.sinks.wire import Connections, exchange

USUAL_LOOK = Look()

_encoder = msgspec.json.Encoder()


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

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Show 1 to 10 notifications as one message.

        Raises only Rejected, Unavailable, Throttled or Unconfirmed; none of them shows the URL. The receipt has no
        message id if a 2xx contains none, and if nothing was sent because the operator turned such companions off.
        """
        self._check_open()
        body = self._rendered(items)
        if isinstance(body, Rejected):
            raise body  # raise here, so that the original fault, which may quote a secret, is not its context
        if body is None:
            return Receipt("")
        answer = await exchange(self._connections, "POST", self.address.post_url, data=body)
        return receipt_of(answer, self.address.identity)

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
            refuse(answer, identity, route="webhook")
        return probe_answer(answer, identity, thread="thread_id=" in self.address.post_url.reveal())

    async def close(self) -> None:
        """Stop sending; later calls raise Unavailable."""
        self._is_closed = True

    def __repr__(self) -> str:
        return f"DiscordWebhook({self.name!r}, {self.address.identity})"

    def _check_open(self) -> None:
        if self._is_closed:
            raise Unavailable("not sent: the webhook is closed")

    def _rendered(self, items: Sequence[Item]) -> bytes | Rejected | None:
        """Build the message's body, or a Rejected if that fails for any reason, before anything is sent."""
        try:
            body = message(items, self._look, clock.now())
        except InvalidValue as fault:
            return Rejected(str(fault))
        except Exception as fault:  # noqa: BLE001
            return Rejected.unrendered(fault)
        return None if body is None else _encoder.encode(body)
