"""One idiom for ipywidgets 7 and 8, and the one way to show foreign text."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, TypeVar

import ipywidgets

__all__ = [
    "button",
    "close_tree",
    "copy_button",
    "escape",
    "label_only_for_readers",
    "offer",
    "sendable",
    "styled",
    "stylesheet",
    "tree_ids",
    "under_stylesheet",
]

W = TypeVar("W", bound=ipywidgets.DOMWidget)

_COPY = (
    "const s=this.dataset.text;const d=()=>{const o=this.textContent;this.textContent='Copied';"
    "setTimeout(()=>this.textContent=o,1500)};"
    "const f=()=>{const a=document.createElement('textarea');a.value=s;document.body.append(a);a.select();"
    "document.execCommand('copy');a.remove();d()};"
    "navigator.clipboard?navigator.clipboard.writeText(s).then(d,f):f()"
)


def sendable(text: str) -> str:
    """Return text that can travel to the browser: a file name may hold bytes that are no text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def escape(text: object) -> str:
    """Return foreign text safe to put into HTML; what cannot be sent or seen becomes a mark."""
    letters = sendable(str(text))
    visible = "".join(
        letter if letter >= " " or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in letters
    )
    return html.escape(visible, quote=True)


def styled(widget: W, *classes: str) -> W:
    """Add CSS classes and return the widget."""
    for name in classes:
        widget.add_class(name)
    return widget


def button(description: str, *, tooltip: str, icon: str = "", kind: str = "") -> ipywidgets.Button:
    """Make a button; ``kind`` is ``primary``, ``danger``, ``quiet`` or empty."""
    made = ipywidgets.Button(description=description, tooltip=tooltip, icon=icon)
    made.layout.width = "auto"
    return styled(made, "cp-button", *([f"cp-{kind}"] if kind else []))


def label_only_for_readers(widget: W, label: str) -> W:
    """Name a control for screen readers without showing the name."""
    widget.description = label
    return styled(widget, "cp-hidden-label")


def offer(choice: ipywidgets.Dropdown | ipywidgets.SelectMultiple, options: Sequence[tuple[str, Any]]) -> None:
    """Offer these pairs of words and values to choose from.

    What was chosen stays chosen. Where it is not offered any more nothing else is chosen in its place, so that the
    next click is not about something the user did not choose. Only where nothing was offered before the first is
    chosen, unless several can be.
    """
    before, offered = list(choice.options), list(options)
    if before == offered:
        return
    kept, values = choice.value, [value for _, value in offered]
    choice.options = offered
    if isinstance(choice, ipywidgets.SelectMultiple):
        choice.value = [value for value in kept if value in values]
    elif kept in values:
        choice.value = kept
    else:
        choice.value = values[0] if values and not before else None


def copy_button(caption: str, text: str) -> str:
    """Return the HTML of a button that copies text in the browser, without the kernel."""
    attributes = f'type="button" class="cp-copy" data-text="{escape(text)}" onclick="{escape(_COPY)}"'
    return f"<button {attributes}>{escape(caption)}</button>"


def stylesheet() -> str:
    """Return the HTML of the panel's one style block."""
    css = resources.files("colabpanel.widgets").joinpath("panel.css").read_text(encoding="utf-8")
    return f"<style>{css}</style>"


def under_stylesheet(widget: ipywidgets.Widget) -> ipywidgets.VBox:
    """Return a box that shows a part of the panel on its own."""
    style = styled(ipywidgets.HTML(stylesheet()), "cp-style")
    return styled(ipywidgets.VBox([style, widget]), "colabpanel")


def close_tree(root: ipywidgets.Widget) -> None:
    """Close a widget and every widget it holds, layouts and styles included."""
    for widget in list(_tree(root, set())):
        widget.close()


def tree_ids(root: ipywidgets.Widget) -> set[str]:
    """Return the model ids of a widget and of every widget it holds."""
    return {widget.model_id for widget in _tree(root, set()) if widget.comm is not None}


def _tree(root: ipywidgets.Widget, seen: set[int]) -> Iterator[ipywidgets.Widget]:
    if id(root) in seen:
        return
    seen.add(id(root))
    for key in root.keys:
        for held in _held(getattr(root, key, None)):
            yield from _tree(held, seen)
    yield root


def _held(value: Any) -> list[ipywidgets.Widget]:
    values = value if isinstance(value, list | tuple) else [value]
    return [held for held in values if isinstance(held, ipywidgets.Widget)]
