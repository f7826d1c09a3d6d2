"""The tabs, and the registry that names them.

A new tab is one service, one file here, and one line in `TABS`. Other packages register
the same kind of string under the entry-point group ``colabpanel.tabs``.
"""

from __future__ import annotations

from colabpanel.tabs._registry import TABS, TabEntry, registered_tabs

__all__ = ["TABS", "TabEntry", "registered_tabs"]
