"""The sandbox's page shows what becomes of a message: notifications, edits, links to it, and its deletion."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from tests.acceptance.chromium import chromium, utc_and_english

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLE = "        price   pips\nEntry 1.10000\nTP1   1.10500  +50.0"
OPEN = {
    "content": "BUY EURUSD @ 1.10000\n<@&77>",
    "embeds": [{"title": "▲ BUY EUR/USD", "description": f"```\n{TABLE}\n```\nEnter by <t:1:t>\n-# small **print**"}],
    "allowed_mentions": {"parse": [], "roles": ["77"]},
}
HIT = {"content": "", "embeds": [{"title": "▲ EUR/USD · TP1 HIT", "description": f"**+0.50R**\n```\n{TABLE}\n```"}]}


class Sent:
    """A sandbox, a page that shows it, and a client that sends to `#signals`."""

    def __init__(self, sandbox: Sandbox, page: Page, client: aiohttp.ClientSession) -> None:
        self.sandbox, self.page, self._client = sandbox, page, client
        self._url = sandbox.webhook("signals")

    async def __call__(self, method: str, body: dict[str, Any], id: str = "") -> Any:
        url = f"{self._url}/messages/{id}" if id else self._url
        async with self._client.request(method, url, params={"wait": "1"}, json=body) as answer:
            return await answer.json() if answer.content_type == "application/json" else answer.status

    async def link_to(self, message: dict[str, Any]) -> str:
        async with self._client.get(self._url) as answer:
            guild = (await answer.json())["guild_id"]
        return f"https://discord.com/channels/{guild}/{message['channel_id']}/{message['id']}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(browser: Browser) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page for all tests, and the errors that it had."""
    page = await browser.new_page(**utc_and_english(viewport={"width": 1100, "height": 700}))
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield page, troubles
    await page.close()


@pytest_asyncio.fixture(loop_scope="module")
async def send(tab: tuple[Page, list[str]]) -> AsyncIterator[Sent]:
    page, troubles = tab
    async with Sandbox(limits=OFF) as sandbox, aiohttp.ClientSession() as client:
        made = Sent(sandbox, page, client)
        await page.goto(sandbox.url)
        await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        yield made
        await page.goto("about:blank")
    assert troubles == []


async def test_an_edited_card_keeps_what_its_notification_said(send: Sent) -> None:
    card = await send("POST", OPEN)
    phone = send.page.locator(".message .phone > div")
    await expect(phone).to_have_text("signalpost: BUY EURUSD @ 1.10000\n@role 77")
    await expect(send.page.locator(".embed .sub strong")).to_have_text("print")
    await expect(send.page.locator(".message.ping .content .mention")).to_have_text("@role 77")
    assert await send.page.locator(".embed pre").inner_text() == TABLE
    await send("PATCH", HIT, card["id"])
    await expect(send.page.locator(".edited")).to_be_visible()
    await expect(send.page.locator(".embed-title")).to_have_text("▲ EUR/USD · TP1 HIT")
    await expect(send.page.locator(".message.ping")).to_have_count(0)
    after_edit = ["signalpost: BUY EURUSD @ 1.10000\n@role 77", "edit: no notification"]
    await expect(phone.locator("> div")).to_have_text(after_edit)
    await send("POST", {"content": "silent", "flags": 4096})
    await expect(phone.last).to_have_text("no notification (silent)")
    await send("POST", {"embeds": [{"title": "t"}]})
    await expect(phone.last).to_have_text("signalpost: (no text)")
    await send.page.reload()
    await expect(phone.first.locator("> div")).to_have_text(after_edit)


async def test_a_link_leads_to_its_message(send: Sent) -> None:
    card = await send("POST", OPEN)
    for n in range(30):
        await send("POST", {"content": f"between {n}"})
    link = await send.link_to(card)
    await send("POST", {"content": f"[Card]({link}) [wrong channel]({link.replace(card['channel_id'], '1')})"})
    item = send.page.locator(f"[data-id='{card['id']}']")
    await expect(send.page.get_by_text("Card", exact=True)).to_be_in_viewport()
    await expect(item).not_to_be_in_viewport()
    for _ in range(2):  # the second time the address is the same
        await send.page.get_by_text("Card", exact=True).click()
        await expect(item).to_be_in_viewport()
    await expect(item).to_have_class(re.compile(r"\bjumped\b"))
    await expect(send.page.locator("#notice")).to_be_hidden()
    await send.page.get_by_text("wrong channel", exact=True).click()
    await expect(send.page.locator("#notice")).to_be_visible()
    send.sandbox.webhook("another")
    await send.page.goto(f"{send.sandbox.url}/#another")
    await send.page.goto(f"{send.sandbox.url}/#/{'/'.join(link.split('/')[-3:])}")
    await expect(send.page.locator("h1")).to_have_text("#signals")
    await expect(item).to_be_in_viewport()


async def test_a_deleted_message_leaves_a_line(send: Sent) -> None:
    first, second, _ = [await send("POST", OPEN | {"content": text}) for text in ("first\nline", "second", "third")]
    await expect(send.page.locator(".message")).to_have_count(3)
    await send.page.locator(".message").first.hover()
    await send.page.get_by_role("button", name="Delete as a moderator").first.click()
    lines = send.page.locator(".deleted")
    await expect(lines).to_have_count(1)
    await send("DELETE", {}, second["id"])
    await expect(lines).to_have_count(2)
    assert (await send("PATCH", HIT, first["id"]))["code"] == 10008
    for _ in range(2):  # shown live, and again after a reload
        await expect(lines.first).to_contain_text("moderator")
        await expect(lines.first).to_contain_text("first")
        await expect(lines.last).to_contain_text("webhook")
        order = await send.page.locator("#messages > li:not(.divider)").evaluate_all(
            "items => items.map((item) => item.className.split(' ')[0])"
        )
        assert order == ["deleted", "deleted", "message"]
        await expect(send.page.locator(".message .author")).to_have_count(1)
        await send.page.reload()
        await expect(lines).to_have_count(2)


async def test_a_person_can_fail_edits_alone_and_act_as_a_moderator(send: Sent) -> None:
    card = await send("POST", OPEN)
    menu = send.page.locator("summary")
    await menu.click()
    await send.page.get_by_label("Fail the next").select_option("edit")
    await send.page.get_by_role("button", name="30046").click()
    await expect(send.page.locator("#planned")).to_have_text("1")
    await send("POST", {"content": "posts are not limited"})
    assert (await send("PATCH", HIT, card["id"]))["code"] == 30046
    await expect(send.page.locator("#planned")).to_be_hidden()
    send.sandbox.discord.guild.open_thread("7")
    await send("POST", {"content": "a change, which shows the page the thread"})
    await expect(send.page.locator(".message")).to_have_count(3)
    for name in ("Archive thread 7", "Lock thread 7"):
        await menu.click()
        await send.page.get_by_role("button", name=name).click()
        await expect(send.page.locator("#provoke")).not_to_have_attribute("open", "")
    assert send.sandbox.discord.guild.threads() == [("7", True, True, None)]
    await menu.click()
    await send.page.get_by_role("button", name="Move its webhook").click()
    await expect(send.page.locator(".channel .name")).to_have_text(["signals", "signals-moved"])
    assert (await send("PATCH", HIT, card["id"]))["code"] == 10008
    entries = [json.loads(each.entry.line()) for each in send.sandbox.discord.log.since(0)]
    assert [each["method"] for each in entries[-4:]] == ["MODERATOR", "MODERATOR", "MODERATOR", "PATCH"]
