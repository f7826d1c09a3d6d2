"""What the routes have in common: whose messages they take, and how they hand one over."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

__all__ = ["Owns", "Route", "deliver"]

_LOG = logging.getLogger("colabpanel")

Owns = Callable[[str], bool]
"""Tells whether a comm, named by its id, belongs to a panel. Called on any thread."""


class Route(ABC):
    """Takes the messages of some comms while a cell runs; one per kernel.

    Attributes:
        owners: Those whose messages it takes.
    """

    def __init__(self) -> None:
        self.owners: list[Owns] = []

    def owns(self, comm_id: str) -> bool:
        """Tell whether the messages of a comm are taken."""
        return any(owns(comm_id) for owns in self.owners)

    @abstractmethod
    def close(self) -> None:
        """Leave the kernel as it was."""


def deliver(comm: Any, message: dict[str, Any]) -> None:
    """Hand a message to its widget, without the hooks that run around a cell.

    Matplotlib's hook would show and close the figures that the running cell is drawing.
    """
    callback = getattr(comm, "_msg_callback", None)
    if callback is None:
        return
    try:
        callback(message)
    except Exception:  # noqa: BLE001 - one bad message must not end the answering of others
        _LOG.exception("A message of the page could not be handled")
