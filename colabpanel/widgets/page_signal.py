"""Hearing of clicks on HTML: the page writes into a field that nobody sees."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from colabpanel.widgets.basics import styled

__all__ = ["PageSignal", "sending"]

_LONGEST = 200


class PageSignal(ipywidgets.Text):
    """A hidden field; stands in the same box as the HTML that sends.

    Args:
        heard: Called with the words that were sent; they come from the page, so they may be anything.
    """

    def __init__(self, heard: Callable[[list[str]], None]) -> None:
        super().__init__()
        self._heard = heard
        styled(self, "cp-signal")
        self.layout.display = "none"
        self.observe(self._changed, names="value")

    def _changed(self, change: dict[str, str]) -> None:
        words = change["new"][:_LONGEST].split()[:-1]  # the last one makes each message another one
        if words:
            self._heard(words)


def sending(box: str, expression: str) -> str:
    """Return JavaScript for the handler of an element: sends words to the signal in the box of this class.

    Args:
        box: The class of the box.
        expression: JavaScript that makes the words, with spaces between them.
    """
    return (
        f"const t=this.closest('.{box}')?.querySelector('.cp-signal input');"
        f"if(t){{t.value={expression}+' '+Date.now()+Math.random();"
        "t.dispatchEvent(new Event('input',{bubbles:true}))}"
    )
