"""Choosing files where custom widgets do not load, as on Colab: plain HTML that calls the kernel."""

from __future__ import annotations

import ipywidgets

from colabpanel.widgets.basics import escape, styled
from colabpanel.widgets.transfer_script import transfer_script

__all__ = ["UploadFallback"]

# Scripts in an HTML widget do not run, and handlers of events do.
_START = (
    "const root=this.parentElement;this.remove();new Function('root','name',root.dataset.code)(root,root.dataset.name)"
)
_PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="


class UploadFallback(ipywidgets.HTML):
    """Buttons to choose files, whose page calls a function of the kernel.

    Args:
        name: What the page calls.
    """

    def __init__(self, name: str) -> None:
        code = transfer_script("upload_fallback.js")
        super().__init__(
            f'<div data-name="{escape(name)}" data-code="{escape(code)}">'
            f'<img alt="" src="{_PIXEL}" onload="{escape(_START)}"></div>'
        )
        styled(self, "cp-upload")
