"""A button whose first click asks, and whose second one, once the question could have been read, is the answer."""

from __future__ import annotations

from collections.abc import Hashable

import ipywidgets

from colabpanel.tabs._base import Tab

__all__ = ["SecondClick"]

_READ_AFTER = 3  # looks of the refresher, four a second: a question is not answered by a double-click


class SecondClick:
    """Knows what was asked about.

    Args:
        tab: The tab it belongs to.
        button: The button.
    """

    def __init__(self, tab: Tab, button: ipywidgets.Button) -> None:
        self._button, self._words = button, button.description
        self._about: Hashable = None
        self._unread = 0
        tab.context.refresher.every(0.25, self._update)

    @property
    def is_unread(self) -> bool:
        """Whether a question was put just now, so that a click cannot be its answer."""
        return self._unread > 0

    def ask(self, about: Hashable, words: str) -> None:
        """Note that the question was put, and let the button say what its next click does."""
        self._about, self._unread = about, _READ_AFTER
        self._button.description, self._button.disabled = words, True

    def answers(self, about: Hashable) -> bool:
        """Whether a click now is the answer to the question about this."""
        return self._about is not None and self._about == about and not self.is_unread

    def forget(self) -> None:
        """Take the question back."""
        if self._about is not None:
            self._about, self._unread = None, 0
            self._button.description, self._button.disabled = self._words, False

    def _update(self) -> None:
        if self._unread:
            self._unread -= 1
            self._button.disabled = self._unread > 0
