"""A Discord webhook as a sink."""

from collections.abc import Sequence

import msgspec

from signalpost.errors import InvalidValue
from signalpost.sinks.discord.address import API_HOST, WebhookAddress
from signalpost.sinks.discord.message import message
from signalpost.sinks.discord.outcome import is_ban, is_gone, receipt_of, refuse, seen
from signalpost.sinks.evidence import Receipt, Rejected, Unavailable
from signalpost.sinks.port import Answer, Item
from signalpost.sinks.wire import Connections, exchange

_encoder = msgspec.json.Encoder()


class DiscordWebhook:
    """One webhook, on connections that others share and that it leaves open when it is closed."""

    def __init__(self, address: WebhookAddress, connections: Connections, *, name: str = "") -> None:
        self.address = address
        self.name = name
        self._connections = connections
        self._is_closed = False

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Show 1 to 10 notifications as one message with an embed each.

        Raises Rejected, Unavailable, Throttled or Unconfirmed, and nothing else; none of them shows the URL. A receipt
        without a message id is a 2xx of a server that tells none.
        """
        self._check_open()
        body = _rendered(items)
        if isinstance(body, Rejected):
            raise body  # out here, where the fault behind it, whose text may quote anything, is not its context
        answer = await exchange(self._connections, "POST", self.address.post_url, data=body)
        return receipt_of(answer, self.address.identity)

    async def probe(self) -> Answer:
        """Ask for the webhook itself, which shows nothing, for as long as a message may take.

        Any answer below 500 means alive, because a server that stands in for Discord may not know the question; but a
        429, the webhook's end and Cloudflare's block of this IP, at Discord itself, are raised as `send` raises them,
        and so are silence and 5xx, as Unavailable.
        """
        self._check_open()
        identity = self.address.identity
        answer = await exchange(self._connections, "GET", self.address.get_url)
        if answer.status >= 500:
            raise Unavailable(f"{answer.status} to a probe", status=answer.status, code=answer.whole_number("code"))
        is_shut_out = self.address.host == API_HOST and is_ban(answer)
        if answer.status == 429 or is_gone(answer) or is_shut_out:
            refuse(answer, identity, route="webhook")
        return seen(answer, identity, thread="thread_id=" in self.address.post_url.reveal())

    async def close(self) -> None:
        """Send nothing more."""
        self._is_closed = True

    def __repr__(self) -> str:
        return f"DiscordWebhook({self.name!r}, {self.address.identity})"

    def _check_open(self) -> None:
        if self._is_closed:
            raise Unavailable("the webhook is closed: nothing was sent")


def _rendered(items: Sequence[Item]) -> bytes | Rejected:
    """The message's body; or, whatever keeps it from being made, that no byte has left and none ever will."""
    try:
        return _encoder.encode(message(items))
    except InvalidValue as fault:
        return Rejected(str(fault))
    except Exception as fault:  # noqa: BLE001
        return Rejected.unrendered(fault)
