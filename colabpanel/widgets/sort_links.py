"""What tables have in common that are sorted and turned by clicks: headings and buttons that tell the kernel."""

from __future__ import annotations

from typing import Literal

from colabpanel.widgets.basics import escape
from colabpanel.widgets.page_signal import sending

__all__ = ["Order", "heading", "keeping_focus", "link"]

Order = Literal["none", "ascending", "descending"]

_ARROWS = {"none": "", "ascending": " \N{UPWARDS ARROW}", "descending": " \N{DOWNWARDS ARROW}"}
_KEEP = (
    "const e=event.target.closest('[aria-label]'),b=this.closest('.%s');"
    "if(!e||!b||document.activeElement!==e)return;"
    "const name=x=>x.getAttribute('aria-label'),o=new MutationObserver(()=>{if(e.isConnected)return;o.disconnect();"
    "if(document.activeElement===document.body)([...b.querySelectorAll('[aria-label]')].find(x=>name(x)===name(e))"
    "||b.querySelector('[tabindex]'))?.focus()});"
    "o.observe(b,{childList:true,subtree:true});setTimeout(()=>o.disconnect(),9000)"
)


def link(box: str, html: str, words: str, label: str) -> str:
    """Return a button that looks like a link and sends words, given as JavaScript, to the signal in the box."""
    sends = escape(sending(box, words))
    return f'<button type="button" class="cp-link" aria-label="{escape(label)}" onclick="{sends}">{html}</button>'


def heading(box: str, title: str, words: str, order: Order, style: str = "") -> str:
    """Return the head of a column that is sorted by when it is clicked on."""
    sorts = link(box, f"{escape(title)}{_ARROWS[order]}", words, f"Sort by {title}")
    return f'<th class="{style}" scope="col" aria-sort="{order}">{sorts}</th>'


def keeping_focus(box: str) -> str:
    """Return an attribute for what holds such buttons: after one is pressed and all is drawn anew, it has the focus."""
    return f'onclick="{escape(_KEEP % box)}"'
