"""The panel as a user sees it: fields by their labels, buttons by their words."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

APPEARS_MS = 60_000
UNPACKED_MS = 180_000
NOTICED_MS = 5_000

CURRENT = re.compile(r"\b(p|lm)-mod-current\b")
"""What the tab in front is marked with: by Phosphor in the classic Notebook, by Lumino elsewhere."""


class PanelView:
    """The one visible panel of a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator(".colabpanel:visible")

    def wait(self) -> PanelView:
        """Wait until the panel is there, with live gauges."""
        expect(self.root).to_have_count(1, timeout=APPEARS_MS)
        expect(self.root.locator(".cp-gauge")).to_have_count(3)
        return self

    def open_tab(self, title: str) -> None:
        """Click a tab; once more where the page was laid out anew just then, and took it for no click."""
        tab = self.root.get_by_role("tab", name=title).or_(self.root.locator(".p-TabBar-tab", has_text=title)).first
        tab.click()
        try:
            expect(tab).to_have_class(CURRENT, timeout=NOTICED_MS)
        except AssertionError:
            tab.click()
            expect(tab).to_have_class(CURRENT)

    def fill(self, label: str, text: str | Path) -> None:
        field = self.root.get_by_label(label, exact=True).filter(visible=True)
        field.fill(str(text))
        field.press("Tab")

    def button(self, words: str) -> Locator:
        """Find a button by its words; an icon in front of them is part of its name."""
        return self.root.get_by_role("button", name=re.compile(rf"{re.escape(words)}$")).filter(visible=True)

    @property
    def progress(self) -> Locator:
        return self.root.locator("progress:visible")

    def says(self, words: str) -> None:
        """Expect a message with these words."""
        expect(self.root.locator(".cp-message:visible", has_text=words)).to_have_count(1, timeout=UNPACKED_MS)

    def stage(self, source: str | Path, target: str | Path) -> None:
        """Fill the form and press the button."""
        self.open_tab("Data staging")
        self.fill("From", source)
        self.fill("To", target)
        self.button("Stage data").click()
