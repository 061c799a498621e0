"""The upload of a chart is a form as Discord documents it, and its JSON is valid by Discord's own schema."""

from email import message_from_bytes, policy
from email.message import EmailMessage

import msgspec
import pytest
from aiohttp import web

from signalpost import Signal, UserTier
from signalpost.domain.life import opened
from signalpost.domain.notification import notification_of
from signalpost.secret import Secret
from signalpost.sinks.discord.address import WebhookAddress
from signalpost.sinks.discord.cards.look import ChartTheme
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.chart import draw, plan_of
from signalpost.sinks.discord.webhook import DiscordWebhook
from signalpost.sinks.port import Chart, Item, Shown
from signalpost.sinks.wire import Connections
from tests.candles_before import candles_until
from tests.contracts.book_driver import START, signal
from tests.contracts.json_schema import faults


async def uploaded(made: Signal, chart: Chart) -> tuple[str, list[EmailMessage]]:
    """The method and the parts of the request, read by Python's own parser of forms."""
    requests: list[tuple[str, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        requests.append((request.method, head + await request.read()))
        return web.json_response({"id": "1409000000000000000", "channel_id": "7"})

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    connections = Connections("DiscordBot (https://example.com, 1)")
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/webhooks/123456789012345678/token-of-the-webhook"
        sink = DiscordWebhook(WebhookAddress.parse(Secret(url)), connections)
        trade = opened(made, 1, (UserTier.FREE,), START)
        notification = notification_of(made, accepted_at=START).but(event="v1 chart", trade=trade)
        await sink.send([Item(notification, card=Shown("1409000000000000000"), chart=chart)])
    finally:
        await connections.close()
        await runner.cleanup()
    ((method, raw),) = requests
    form = message_from_bytes(raw, policy=policy.HTTP)
    return method, [part for part in form.iter_parts() if isinstance(part, EmailMessage)]


@pytest.mark.parametrize("pair", ["EUR_USD", "BTC/USDT", "NAS100"])
async def test_a_chart_is_a_form_of_json_and_one_picture(pair: str) -> None:
    made = signal(pair=pair)
    plan = plan_of(opened(made, 1, (UserTier.FREE,), START), View(), candles_until(made), (5, 20))
    method, (json, picture) = await uploaded(made, Chart(draw(plan, ChartTheme.DARK), plan.text))
    assert method == "PATCH"
    assert (json.get_param("name", header="content-disposition"), json.get_filename()) == ("payload_json", None)
    assert json.get_content_type() == "application/json"
    assert picture.get_param("name", header="content-disposition") == "files[0]"
    assert (picture.get_filename(), picture.get_content_type()) == ("chart.png", "image/png")
    content = picture.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert (content[:4], len(content) < 10 * 2**20) == (b"\x89PNG", True)
    body = msgspec.json.decode(json.get_payload(decode=True))  # type: ignore[arg-type]
    (attachment,) = body["attachments"]
    assert (attachment["id"], attachment["filename"], len(attachment["description"]) <= 1024) == (0, "chart.png", True)
    assert body["embeds"][0]["image"] == {"url": "attachment://chart.png"}
    assert (body["allowed_mentions"], "content" in body) == ({"parse": []}, False)
    attachment["id"] = "0"  # the schema wants text, the documentation and Discord take a number
    assert faults(body, "IncomingWebhookUpdateRequestPartial") == []
