"""The sandbox's page in a real browser: channels, new messages, phones, faults."""

from collections.abc import AsyncIterator
from typing import Any, Literal

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from signalpost import Signal, UserTier
from signalpost.domain.life import opened
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from signalpost.sinks.discord.cards.look import ChartTheme
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.chart import draw, plan_of
from tests.acceptance.chromium import chromium, utc_and_english
from tests.candles_before import candles_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNAL = {
    "embeds": [
        {
            "title": "BUY EUR_USD H4",
            "color": 0x2ECC71,
            "description": "Fast average crossed **above** the slow one.",
            "fields": [
                {"name": "Entry", "value": "1.16532", "inline": True},
                {"name": "SL", "value": "1.16104", "inline": True},
                {"name": "TP1", "value": "1.17174", "inline": True},
                {"name": "R:R", "value": "1 : 1.50", "inline": True},
                {"name": "Pips", "value": "-42.8 / +64.2", "inline": True},
                {"name": "Why", "value": "A cross, and nothing else."},
            ],
            "footer": {"text": "EUR_USD-H4-20250820T010000Z"},
            "timestamp": "2025-08-20T01:00:00Z",
        }
    ]
}
CHARTED = Signal(
    pair="EUR_USD",
    timeframe="H4",
    signal_type="BUY",
    entry_price="1.16532",
    stop_loss="1.16104",
    take_profit="1.17174",
    timestamp="2026-11-27T10:00:00Z",
)
LONGEST_PAUSE = 10_000
"""Milliseconds without a timer event; a frozen page needs far longer, even on a busy machine."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


class Place:
    """A sandbox, a page that shows it, and a client that sends to it."""

    def __init__(self, sandbox: Sandbox, page: Page, client: aiohttp.ClientSession) -> None:
        self.sandbox, self.page, self._client = sandbox, page, client

    async def send(
        self, channel: str, message: dict[str, Any] | aiohttp.FormData, *, method: str = "POST", id: str = ""
    ) -> Any:
        url = f"{self.sandbox.url}/api/v10/webhooks/{channel}/token{f'/messages/{id}' if id else ''}"
        body: Any = {"data" if isinstance(message, aiohttp.FormData) else "json": message}
        async with self._client.request(method, url, params={"wait": "1"}, **body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json() if answer.status == 200 else None

    def channel(self, name: str) -> Any:
        return self.page.locator(".channel", has_text=name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(browser: Browser) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page for all tests, because a new one takes half a second of CPU time, and the errors that it had."""
    page = await browser.new_page(**utc_and_english())
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    yield page, troubles
    await page.close()


@pytest_asyncio.fixture(loop_scope="module")
async def place(tab: tuple[Page, list[str]]) -> AsyncIterator[Place]:
    page, troubles = tab
    await page.set_viewport_size({"width": 1200, "height": 800})
    await page.emulate_media(color_scheme="light")
    async with Sandbox(limits=OFF, open=True) as sandbox, aiohttp.ClientSession() as client:
        sandbox.webhook("signals-free")
        await page.goto(sandbox.url)
        await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        yield Place(sandbox, page, client)
        await page.goto("about:blank")
    found = troubles.copy()
    troubles.clear()
    assert found == []


async def test_a_message_appears_when_it_arrives(place: Place) -> None:
    await expect(place.page.locator("h1")).to_have_text("#signals-free")
    await expect(place.page.locator(".welcome")).to_contain_text(f"{place.sandbox.url}/api/v10/webhooks/signals-free/")
    await place.send("signals-free", SIGNAL | {"username": "Desk", "content": "Look:"})
    message = place.page.locator(".message")
    await expect(message.locator(".author")).to_have_text("Desk")
    await expect(message.locator(".tag")).to_have_text("APP")
    await expect(message.locator(".when")).to_have_text(f"Today at {await place.page.evaluate(CLOCK)}")
    await expect(message.locator(".avatar")).to_have_text("D")
    await expect(message.locator(".content")).to_have_text("Look:")
    await expect(message.locator(".embed-title")).to_have_text("BUY EUR_USD H4")
    await expect(message.locator(".embed")).to_have_css("border-left-color", "rgb(46, 204, 113)")
    await expect(message.locator(".embed-description strong")).to_have_text("above")
    await expect(message.locator(".embed-footer")).to_contain_text("EUR_USD-H4-20250820T010000Z•08/20/2025 1:00 AM")


CLOCK = "new Intl.DateTimeFormat('en-US', {hour: 'numeric', minute: '2-digit'}).format(new Date())"


async def test_inline_fields_fill_rows_of_three_and_others_one_row_each(place: Place) -> None:
    await place.send("signals-free", SIGNAL)
    fields = place.page.locator(".field")
    await expect(fields).to_have_count(6)
    boxes = [await fields.nth(n).bounding_box() for n in range(6)]
    rows: dict[float, list[float]] = {}
    for box in boxes:
        assert box
        rows.setdefault(box["y"], []).append(box["x"])
    assert [len(row) for row in rows.values()] == [3, 2, 1]
    assert all(row == sorted(row) for row in rows.values())


async def test_a_channel_appears_with_its_first_message_and_counts_unread_ones(place: Place) -> None:
    for _ in range(3):
        await place.send("market-analysis", {"content": "x"})
    await place.send("alerts-critical", {"content": "<@&5> down", "allowed_mentions": {"roles": ["5"]}})
    await expect(place.page.locator(".channel .name")).to_have_text(
        ["signals-free", "market-analysis", "alerts-critical"]
    )
    await expect(place.channel("market-analysis").locator(".badge")).to_have_text("3")
    await expect(place.channel("market-analysis").locator(".badge.ping")).to_have_count(0)
    await expect(place.channel("alerts-critical").locator(".badge.ping")).to_have_text("1")
    await expect(place.page).to_have_title("(4) #signals-free · signalpost sandbox")
    await place.channel("market-analysis").click()
    await expect(place.page.locator(".message")).to_have_count(3)
    await expect(place.channel("market-analysis").locator(".badge")).to_be_hidden()
    await expect(place.page.locator(".divider.new")).to_have_count(1)
    await expect(place.page).to_have_title("(1) #market-analysis · signalpost sandbox")


async def test_the_page_works_with_the_keyboard_alone(place: Place) -> None:
    await place.send("b", {"content": "in b"})
    await expect(place.channel("b")).to_be_visible()
    await place.page.keyboard.press("Alt+ArrowDown")
    await expect(place.page.locator("h1")).to_have_text("#b")
    await expect(place.channel("b")).to_have_attribute("aria-current", "page")
    await place.page.keyboard.press("Alt+ArrowDown")
    await expect(place.page.locator("h1")).to_have_text("#signals-free")
    await place.channel("b").focus()
    await place.page.keyboard.press("Enter")
    await expect(place.page.locator("h1")).to_have_text("#b")
    await place.page.locator("#skip").focus()
    await place.page.keyboard.press("Enter")
    await expect(place.page.locator("#scroller")).to_be_focused()


async def test_messages_of_one_author_are_grouped_and_silent_ones_marked(place: Place) -> None:
    for message in ({"content": "a"}, {"content": "b"}, {"content": "c", "flags": 4096}, {"content": "d"}):
        await place.send("signals-free", message)
    await place.send("signals-free", {"content": "e", "username": "Desk"})
    heads = place.page.locator(".message")
    await expect(heads).to_have_count(5)
    firsts = [await heads.nth(n).evaluate("item => item.classList.contains('first')") for n in range(5)]
    assert firsts == [True, False, True, True, True]
    await expect(heads.nth(2).locator(".silent")).to_be_visible()
    await expect(place.page.locator(".silent")).to_have_count(1)


async def test_an_edited_message_stays_in_place_and_is_marked(place: Place) -> None:
    first = await place.send("signals-free", {"content": "first"})
    await place.send("signals-free", {"content": "second"})
    await place.send("signals-free", {"content": "changed"}, method="PATCH", id=first["id"])
    contents = place.page.locator(".message .content")
    await expect(contents).to_have_text(["changed(edited)", "second"])
    await expect(place.page.locator(".edited")).to_have_count(1)


async def test_a_deleted_message_disappears(place: Place) -> None:
    first = await place.send("signals-free", {"content": "first"})
    await place.send("signals-free", {"content": "second"})
    await expect(place.page.locator(".message")).to_have_count(2)
    await place.send("signals-free", {}, method="DELETE", id=first["id"])
    await expect(place.page.locator(".message .content")).to_have_text(["second"])
    await expect(place.page.locator(".message .author")).to_have_count(1)
    await expect(place.page.locator("#topic")).to_contain_text("1 ")


async def test_a_message_that_pings_is_marked(place: Place) -> None:
    await place.send("signals-free", {"content": "<@1>"})
    await place.send("signals-free", {"content": "<@1>", "allowed_mentions": {"parse": []}})
    await expect(place.page.locator(".message")).to_have_count(2)
    await expect(place.page.locator(".message.ping")).to_have_count(1)


async def test_a_new_message_does_not_scroll_a_reader_who_can_jump_to_it(place: Place) -> None:
    for n in range(60):
        await place.send("signals-free", {"content": f"message {n}"})
    await expect(place.page.locator(".message")).to_have_count(60)
    await expect(place.page.get_by_text("message 59", exact=True)).to_be_in_viewport()
    await place.page.locator("#scroller").evaluate("scroller => { scroller.scrollTop = 100; }")
    await place.send("signals-free", {"content": "the newest"})
    await expect(place.page.locator("#present")).to_contain_text("1 ")
    assert await place.page.locator("#scroller").evaluate("scroller => scroller.scrollTop") == 100
    await place.page.locator("#present").click()
    await expect(place.page.get_by_text("the newest", exact=True)).to_be_in_viewport()
    await expect(place.page.locator("#present")).to_be_hidden()


async def test_a_thousand_messages_do_not_freeze_the_page_and_200_are_kept(place: Place) -> None:
    await place.page.evaluate(
        """() => { let last = performance.now(); window.longest = 0;
        setInterval(() => { const now = performance.now();
          window.longest = Math.max(window.longest, now - last); last = now; }, 10); }"""
    )
    for n in range(1000):
        await place.send("signals-free", SIGNAL | {"content": f"message {n}"})
    await expect(place.page.get_by_text("message 999", exact=True)).to_be_in_viewport(timeout=20_000)
    await expect(place.page.locator(".message")).to_have_count(200)
    await expect(place.page.locator(".message").first.locator(".author")).to_have_text("signalpost")
    await expect(place.page.locator("#topic")).to_contain_text("200")
    await expect(place.page.locator("#counts dd").first).to_have_text("1,000")
    assert await place.page.evaluate("window.longest") < LONGEST_PAUSE


async def test_a_lost_connection_is_shown_and_restored(browser: Browser) -> None:
    page = await browser.new_page()
    async with Sandbox(open=True) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        await page.goto(sandbox.url)
        await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "lost")
    await expect(page.locator("#lost")).to_be_visible()
    async with Sandbox(open=True, port=port) as sandbox:
        sandbox.webhook("made-meanwhile")
        await expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=20_000)
        await expect(page.locator("h1")).to_have_text("#made-meanwhile")
        await expect(page.locator("#lost")).to_be_hidden()
        await page.close()


async def test_a_person_can_make_it_fail(place: Place) -> None:
    await place.page.locator("summary").click()
    await place.page.get_by_role("button", name="Cut off, message shown").click()
    await expect(place.page.locator("#planned")).to_have_text("1")
    with pytest.raises(aiohttp.ClientError):
        await place.send("signals-free", {"content": "shown all the same"})
    await expect(place.page.get_by_text("shown all the same", exact=True)).to_be_visible()
    await expect(place.page.locator("#planned")).to_be_hidden()
    await expect(place.page.locator("#counts dd").last).to_have_text("1")
    await place.page.locator("summary").click()
    await place.page.get_by_role("button", name="Unavailable, three times").click()
    await expect(place.page.locator("#planned")).to_have_text("3")
    await place.page.locator("summary").click()
    await place.page.locator("#clear").click()
    await expect(place.page.locator("#planned")).to_be_hidden()
    assert place.sandbox.discord.faults.pending() == []


async def test_it_fits_a_phone(place: Place) -> None:
    await place.page.set_viewport_size({"width": 360, "height": 740})
    await place.send("signals-free", SIGNAL | {"content": "w" * 500})
    await place.send("b", {"content": "in b"})
    await expect(place.page.locator(".message")).to_have_count(1)
    widths = "() => [document.documentElement.scrollWidth, document.getElementById('scroller').scrollWidth]"
    assert max(await place.page.evaluate(widths)) <= 360
    await expect(place.channel("b")).to_be_hidden()
    await place.page.locator("#menu").click()
    await place.channel("b").click()
    await expect(place.page.locator("h1")).to_have_text("#b")
    await expect(place.channel("b")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_every_text_has_enough_contrast(scheme: Literal["dark", "light"], place: Place) -> None:
    """At least 4.5 to 1 (WCAG 2, level AA)."""
    await place.page.emulate_media(color_scheme=scheme)
    deleted = await place.send("signals-free", {"content": "soon deleted"})
    await place.send("signals-free", SIGNAL | {"content": "<@&5> `code` https://e.x <t:1:R>", "flags": 4096})
    await place.send("signals-free", {}, method="DELETE", id=deleted["id"])
    await place.send("b", {"content": "<@1>"})
    await expect(place.page.locator(".badge.ping")).to_have_count(1)
    await expect(place.page.locator(".deleted")).to_have_count(1)
    await place.page.locator("summary").click()
    assert await place.page.evaluate(CONTRASTS) == []


CONTRASTS = """() => {
  const channels = (colour) => {
    const parts = colour.match(/[\\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
  };
  const over = (top, bottom) => top.rgb.map((part, n) => part * top.alpha + bottom[n] * (1 - top.alpha));
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const own = channels(getComputedStyle(element).backgroundColor);
    return own.alpha === 1 ? own.rgb : over(own, ground(element.parentElement));
  };
  const light = (rgb) => rgb.map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest("[aria-hidden], .aside, noscript")) continue;
    const back = ground(element);
    const front = over(channels(getComputedStyle(element).color), back);
    const [darker, lighter] = [light(front), light(back)].sort((a, b) => a - b);
    const contrast = (lighter + 0.05) / (darker + 0.05);
    if (contrast < 4.5) weak.push(`${element.tagName}.${element.className}: ${contrast.toFixed(2)}`);
  }
  return weak;
}"""


async def test_an_uploaded_picture_shows_in_its_embed_and_not_beside_it(place: Place) -> None:
    sent = await place.send("signals-free", SIGNAL)
    made = opened(CHARTED, 1, (UserTier.FREE,), CHARTED.known_at)
    plan = plan_of(made, View(), candles_until(CHARTED), (8, 21))
    form = aiohttp.FormData(quote_fields=False)
    embed: dict[str, Any] = {**SIGNAL["embeds"][0], "image": {"url": "attachment://chart.png"}}
    attachments = [{"id": 0, "filename": "chart.png", "description": plan.text}]
    form.add_field("payload_json", msgspec.json.encode({"embeds": [embed], "attachments": attachments}).decode())
    form.add_field("files[0]", draw(plan, ChartTheme.DARK), filename="chart.png", content_type="image/png")
    await place.send("signals-free", form, method="PATCH", id=sent["id"])
    picture = place.page.locator(".message img.embed-image")
    await expect(picture).to_have_attribute("alt", plan.text)
    await expect(picture).to_have_js_property("naturalWidth", 800)
    await expect(place.page.locator(".message .file")).to_have_count(0)
