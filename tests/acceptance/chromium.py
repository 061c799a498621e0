"""A browser for tests that look at pages: the Chromium on the PATH, and none but it."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser; the test is skipped where there is none, and fails there if CI is set."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        message = "no chromium and no google-chrome on the PATH: the page is NOT tested"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


def utc_and_english(**settings: Any) -> dict[str, Any]:
    """Settings of a page by which times look the same everywhere."""
    return {"locale": "en-US", "timezone_id": "UTC", **settings}
