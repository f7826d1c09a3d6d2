"""Chromium and what the tests do with its pages."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, ViewportSize

CHROMIUM = Path("/usr/bin/chromium")
EXPECT_MS = 30_000
"""How long `expect` waits: the default of 5 s is short for a busy machine."""

ViewportName = Literal["phone", "narrow", "laptop", "desktop"]

VIEWPORTS: dict[ViewportName, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "narrow": {"width": 768, "height": 1024},
    "laptop": {"width": 1366, "height": 768},
    "desktop": {"width": 1920, "height": 1080},
}

HOST_NOISE = re.compile(
    # The classic Notebook asks for two extensions that are not there.
    r"nbextensions/(voila|widgets/notebook/js)/extension"
    # Notebook 7 trips over a settings plugin of its own while it loads.
    r"|Cannot read properties of undefined \(reading 'schema'\)"
)
"""Errors the hosts themselves report on a bare notebook."""

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium until the block ends."""
    expect.set_options(timeout=EXPECT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def set_viewport(page: Page, name: ViewportName) -> None:
    """Give the page one of the sizes in `VIEWPORTS`."""
    page.set_viewport_size(VIEWPORTS[name])


@dataclass(frozen=True)
class Shots:
    """Saves screenshots under one folder.

    Attributes:
        folder: Where they go.
    """

    folder: Path

    def save(self, target: Page | Locator, name: str) -> Path:
        """Save a picture of a page or an element as `<name>.png`."""
        path = self.folder / f"{name}.png"
        target.screenshot(path=path, animations="disabled")
        return path


def collect_errors(page: Page) -> list[str]:
    """Return a list that grows with each console error and uncaught exception.

    What the hosts report on a bare notebook (`HOST_NOISE`) is left out.
    """
    errors: list[str] = []

    def note(text: str) -> None:
        if not HOST_NOISE.search(text):
            errors.append(text)

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            note(f"{message.text} ({message.location['url']})")

    page.on("console", on_console)
    page.on("pageerror", lambda error: note(f"uncaught: {error}"))
    return errors
