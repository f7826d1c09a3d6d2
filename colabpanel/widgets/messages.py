"""What the panel says: results, hints, failures with their details, and code to copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets

from colabpanel.widgets.basics import copy_button, escape, styled

__all__ = ["CodeView", "Message", "MessageView"]


@dataclass(frozen=True)
class Message:
    """Something to tell the user.

    Attributes:
        kind: ``ok``, ``warning``, ``error`` or ``info``.
        sentence: What happened.
        hint: What to do next.
        details: Longer text that opens on a click, such as a traceback or a list.
        details_title: What the details are.
    """

    kind: str
    sentence: str
    hint: str = ""
    details: str = ""
    details_title: str = "Details"


class MessageView(ipywidgets.HTML):
    """Shows one message at a time, announced to screen readers."""

    def __init__(self) -> None:
        super().__init__()
        styled(self, "cp-message-view")

    def show(self, message: Message) -> None:
        """Show a message in place of the last one."""
        role = "alert" if message.kind == "error" else "status"
        hint = f'<p class="cp-hint">{escape(message.hint)}</p>' if message.hint else ""
        self.value = (
            f'<div class="cp-message cp-is-{escape(message.kind)}" role="{role}"><p>{escape(message.sentence)}</p>'
            f"{hint}{_details(message)}</div>"
        )

    def clear(self) -> None:
        """Show nothing."""
        self.value = ""


def _details(message: Message) -> str:
    if not message.details:
        return ""
    report = "\n\n".join(part for part in (message.sentence, message.hint, message.details) if part)
    return (
        f"<details><summary>{escape(message.details_title)}</summary>"
        f'<pre tabindex="0">{escape(message.details)}</pre>{copy_button("Copy report", report)}</details>'
    )


class CodeView(ipywidgets.HTML):
    """Offers the code of an action: a button that copies it, and the code to look at."""

    def __init__(self) -> None:
        super().__init__()
        styled(self, "cp-code")

    def show(self, lines: Sequence[str]) -> None:
        """Offer this code."""
        code = "\n".join(lines)
        self.value = (
            f"{copy_button('Copy as Python', code)}"
            f'<details><summary>Show code</summary><pre tabindex="0">{escape(code)}</pre></details>'
        )
