"""Accessibility checks with axe-core on one part of a page."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

GRAVE_IMPACTS = frozenset({"serious", "critical"})

_RUN = """async selector => {
    const found = await window.axe.run(
        {include: [[selector]]}, {resultTypes: ['violations']});
    return found.violations.map(rule => ({
        rule: rule.id, impact: rule.impact, help: rule.help,
        nodes: rule.nodes.map(node => `${node.html} - ${node.failureSummary}`),
    }));
}"""


@dataclass(frozen=True)
class Violation:
    """One broken accessibility rule.

    Attributes:
        rule: The rule's name in axe-core, such as `color-contrast`.
        impact: How much it hinders people, such as `serious`.
        help: The rule in one sentence.
        nodes: The elements that break it, each as HTML and what is wrong.
    """

    rule: str
    impact: str
    help: str
    nodes: tuple[str, ...]


def grave_violations(page: Page, selector: str) -> list[Violation]:
    """Check what lies under `selector` and return serious and critical findings.

    Raises:
        playwright.sync_api.Error: Nothing on the page matches `selector`.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe_source())
    found = [
        Violation(item["rule"], item["impact"], item["help"], tuple(item["nodes"]))
        for item in page.evaluate(_RUN, selector)
    ]
    return [violation for violation in found if violation.impact in GRAVE_IMPACTS]


def _axe_source() -> str:
    script = resources.files("axe_playwright_python") / "axe.min.js"
    return script.read_text(encoding="utf-8")
