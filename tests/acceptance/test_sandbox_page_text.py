"""The page shows a message's text as Discord does, and never as markup."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from tests.acceptance.chromium import chromium, utc_and_english

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2025, 8, 20, 5, 0, tzinfo=UTC)
AT = int(NOW.timestamp()) - 4 * 3600


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(browser: Browser) -> AsyncIterator[Page]:
    """An empty page with a fixed clock."""
    page = await browser.new_page(**utc_and_english())
    await page.clock.set_fixed_time(NOW)
    async with Sandbox(limits=OFF) as sandbox:
        await page.goto(sandbox.url)
        await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        yield page
        await page.close()


MARKUP = (
    "async (text) => { const {markdown} = await import('/markdown.js');"
    "const place = document.createElement('div'); place.append(...markdown(text)); return place.innerHTML; }"
)

LINK = 'rel="noopener noreferrer" target="_blank"'


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("plain", "plain"),
        ("two\nlines", "two\nlines"),
        ("**bold** and *italic* and _italic_", "<strong>bold</strong> and <em>italic</em> and <em>italic</em>"),
        ("***both***", "<strong><em>both</em></strong>"),
        ("**bold *and italic* within**", "<strong>bold <em>and italic</em> within</strong>"),
        ("__under__ ~~struck~~", "<u>under</u> <s>struck</s>"),
        ("snake_case_name and EUR_USD_H4", "snake_case_name and EUR_USD_H4"),
        ("EUR_USD_ and", "EUR_USD_ and"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("**open", "**open"),
        (r"\*not\* \_this\_ \`one\`", "*not* _this_ `one`"),
        ("`**code**`", "<code>**code**</code>"),
        ("``a ` b``", "<code>a ` b</code>"),
        ("```\na\n  b\n```", "<pre><code>a\n  b</code></pre>"),
        ("before ```py\nx = 1\n``` after", "before <pre><code>x = 1</code></pre> after"),
        ("```open", "```open"),
        ("# One\n## Two\n### Three\n#none", None),
        ("-# small", '<span class="block sub">small</span>'),
        ("> quoted\n> twice\nnot", '<span class="block quote">quoted\ntwice</span>not'),
        (">>> all\nof it", '<span class="block quote">all\nof it</span>'),
        ("- a\n* b\n  - c", None),
        ("<@12> <@!12>", '<span class="mention">@user 12</span> <span class="mention">@user 12</span>'),
        ("<@&5> <#7>", '<span class="mention">@role 5</span> <span class="mention">#channel 7</span>'),
        ("@everyone @here", '<span class="mention">@everyone</span> <span class="mention">@here</span>'),
        ("<:up:123> <a:up:123>", ":up: :up:"),
        ("https://e.x/a_b_c.", f'<a href="https://e.x/a_b_c" {LINK}>https://e.x/a_b_c</a>.'),
        ("<https://e.x>", f'<a href="https://e.x" {LINK}>https://e.x</a>'),
        ("[a **b**](https://e.x/1)", f'<a href="https://e.x/1" {LINK}>a <strong>b</strong></a>'),
        ("[a](https://discord.com/channels/1/2/3)", '<a class="jump" href="#/1/2/3">a</a>'),
        ("[a](https://discord.com/channels/1/2/3/4)", f'<a href="https://discord.com/channels/1/2/3/4" {LINK}>a</a>'),
        (
            "[a](https://e.x/discord.com/channels/1/2/3)",
            f'<a href="https://e.x/discord.com/channels/1/2/3" {LINK}>a</a>',
        ),
        ("[a](javascript:alert(1))", "[a](javascript:alert(1))"),
        ("[a](data:text/html,x)", "[a](data:text/html,x)"),
        ("<b>x</b> &amp; <script>", "&lt;b&gt;x&lt;/b&gt; &amp;amp; &lt;script&gt;"),
        ("`<b>`", "<code>&lt;b&gt;</code>"),
        ("<t:99999999999999:R> <t:x> <t:1:Z>", "&lt;t:99999999999999:R&gt; &lt;t:x&gt; &lt;t:1:Z&gt;"),
    ],
)
async def test_markdown_is_rendered_as_in_discord(text: str, markup: str | None, shown: Page) -> None:
    made = await shown.evaluate(MARKUP, text)
    if markup is None:
        markup = {
            "#": '<span class="block h1">One</span><span class="block h2">Two</span>'
            '<span class="block h3">Three</span>#none',
            "-": '<span class="block item">a</span><span class="block item">b</span>'
            '<span class="block item deep">c</span>',
        }[text[0]]
    assert made == markup


async def test_a_spoiler_is_hidden_until_it_is_opened(shown: Page) -> None:
    await shown.evaluate(
        "async () => { const {markdown} = await import('/markdown.js');"
        "document.getElementById('welcome').replaceChildren(...markdown('||secret||')); }"
    )
    spoiler = shown.locator(".spoiler")
    await expect(spoiler).to_have_css("color", "rgba(0, 0, 0, 0)")
    await spoiler.focus()
    await shown.keyboard.press("Enter")
    await expect(spoiler).to_have_class("spoiler open")


@pytest.mark.parametrize(
    "text", ["**" * 1000, "*_" * 1000, "||" * 1000, "[" * 2000, "`" * 1999, "> " * 900, "**_" * 600 + "x" + "_**" * 600]
)
async def test_every_text_is_rendered_within_two_seconds(text: str, shown: Page) -> None:
    """A message has at most 4,096 characters."""
    timed = f"const began = performance.now(); await ({MARKUP})(text); return performance.now() - began;"
    assert await shown.evaluate(f"async (text) => {{ {timed} }}", text) < 2000


async def test_nesting_is_limited(shown: Page) -> None:
    made = await shown.evaluate(MARKUP, "> " * 900 + "x")
    assert made.count("<span") <= 12


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (":t", "1:00 AM"),
        (":T", "1:00:00 AM"),
        (":d", "08/20/2025"),
        (":D", "August 20, 2025"),
        (":f", "August 20, 2025 at 1:00 AM"),
        ("", "August 20, 2025 at 1:00 AM"),
        (":F", "Wednesday, August 20, 2025 at 1:00 AM"),
        (":s", "08/20/2025, 1:00 AM"),
        (":S", "08/20/2025, 1:00:00 AM"),
        (":R", "4 hours ago"),
    ],
)
async def test_a_timestamp_is_shown_in_each_format(shape: str, text: str, shown: Page) -> None:
    made = await shown.evaluate(MARKUP, f"<t:{AT}{shape}>")
    assert made.replace("\u202f", " ").endswith(f">{text}</time>")
    assert 'title="Wednesday, August 20, 2025 at 1:00' in made


@pytest.mark.parametrize(
    ("away", "text"),
    [
        (0, "now"),
        (-1, "1 second ago"),
        (59, "in 59 seconds"),
        (60, "in 1 minute"),
        (-3599, "59 minutes ago"),
        (86400, "tomorrow"),
        (-2 * 86400, "2 days ago"),
        (40 * 86400, "next month"),
        (-800 * 86400, "2 years ago"),
    ],
)
async def test_a_relative_time_uses_its_largest_unit(away: int, text: str, shown: Page) -> None:
    made = await shown.evaluate(MARKUP, f"<t:{int(NOW.timestamp()) + away}:R>")
    assert made.endswith(f">{text}</time>")


async def test_a_relative_time_is_updated(browser: Browser) -> None:
    page = await browser.new_page(**utc_and_english())
    await page.clock.install(time=NOW)
    async with Sandbox(limits=OFF) as sandbox, aiohttp.ClientSession() as client:
        await page.goto(sandbox.url)
        await client.post(sandbox.webhook("a"), json={"content": f"<t:{AT}:R>"})
        await page.clock.run_for(100)
        await expect(page.locator(".message .moment")).to_have_text("4 hours ago")
        await page.clock.fast_forward(3600_000)
        await page.clock.run_for(2000)
        await expect(page.locator(".message .moment")).to_have_text("5 hours ago")
        await page.close()


async def test_a_timestamp_out_of_range_is_shown_as_invalid(shown: Page) -> None:
    assert await shown.evaluate(MARKUP, "<t:9999999999999:R>") == '<time class="moment">Invalid Date</time>'


HOSTILE = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1>",
    "\"'><iframe src=javascript:parent.pwned=1>",
    "[x](javascript:window.pwned=1)",
    '[x](https://e.x/"onmouseover="window.pwned=1)',
    "<https://e.x/'onclick=window.pwned=1>",
    "`</code><script>window.pwned=1</script>`",
    "{{constructor.constructor('window.pwned=1')()}}",
    "\u202egpj.exe </li></ol><form action=//e.x>",
]


def _hostile_message(text: str) -> dict[str, Any]:
    return {
        "username": text[:80],
        "content": text,
        "embeds": [
            {
                "title": text,
                "description": text,
                "url": 'https://e.x/"><script>window.pwned=1</script>',
                "author": {"name": text, "url": "https://e.x/'onclick='window.pwned=1"},
                "footer": {"text": text},
                "fields": [{"name": text, "value": text, "inline": True}],
                "image": {"url": 'https://e.x/"onerror="window.pwned=1.png'},
                "thumbnail": {"url": "https://e.x/<b>.png"},
            }
        ],
    }


async def test_hostile_text_is_shown_and_has_no_effect(browser: Browser) -> None:
    """It creates no element and no script, and all requests go to the sandbox."""
    page = await browser.new_page()
    requested: list[str] = []
    refused: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: refused.append(message.text))
    async with Sandbox(limits=OFF, open=True) as sandbox, aiohttp.ClientSession() as client:
        url = sandbox.webhook("a")
        await page.goto(sandbox.url)
        for text in HOSTILE:
            async with client.post(url, params={"wait": "1"}, json=_hostile_message(text)) as answer:
                assert answer.status == 200
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("files[0]", b"x", filename=text.replace('"', ""))
            await client.post(url, data=form)
        await client.post(f"{sandbox.url}/api/webhooks/__proto__/token", json={"content": "x"})
        await client.post(f"{sandbox.url}/api/webhooks/constructor/token", json={"content": "x"})
        await expect(page.locator(".channel .name")).to_have_text(["a", "__proto__", "constructor"])
        await expect(page.locator(".message")).to_have_count(2 * len(HOSTILE))
        for n, text in enumerate(HOSTILE):
            await expect(page.locator(".message .author").nth(2 * n)).to_have_text(text[:80].strip())
            await expect(page.locator(".embed-footer").nth(n)).to_have_text(text)
        for link in await page.locator("#messages a").all():
            assert str(await link.get_attribute("href")).startswith("https://e.x/")
        made = await page.evaluate(
            "() => [...document.querySelectorAll('#messages *:not(img.avatar[src=\"/icon.svg\"])')].filter((each) =>"
            "/^(SCRIPT|IMG|IFRAME|FORM|OBJECT|EMBED|LINK|STYLE|B)$/.test(each.tagName)"
            "|| [...each.attributes].some((attribute) => attribute.name.startsWith('on'))).length"
        )
        assert made == 0
        assert await page.evaluate("window.pwned") is None
        assert [each for each in requested if not each.startswith(sandbox.url)] == []
        assert refused == []
        await page.close()


LINES = "**Signal** one\nline two\n\nline four"


async def test_line_breaks_are_kept_as_in_discord(browser: Browser) -> None:
    """In a message's text, and in the description and fields of an embed."""
    page = await browser.new_page(**utc_and_english())
    body = {"content": LINES, "embeds": [{"description": LINES, "fields": [{"name": "n", "value": LINES}]}]}
    async with Sandbox(limits=OFF) as sandbox, aiohttp.ClientSession() as client:
        async with client.post(sandbox.webhook("a"), json=body) as answer:
            assert answer.status == 204
        await page.goto(sandbox.url)
        for place in (".content", ".embed-description", ".field-value"):
            text = await page.locator(place).last.inner_text()
            assert text == LINES.replace("*", ""), place
        await page.close()
