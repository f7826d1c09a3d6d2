"""The JavaScript of transfers, for whatever puts it into a page."""

from __future__ import annotations

from importlib import resources

__all__ = ["transfer_script"]


def transfer_script(entry: str) -> str:
    """Return what transfers share, followed by the script that puts it into a widget or into plain HTML."""
    return _script("browser_transfer.js") + _script(entry)


def _script(name: str) -> str:
    return resources.files("colabpanel.widgets").joinpath(name).read_text(encoding="utf-8")
