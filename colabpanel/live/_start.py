"""Choosing the kernel's route and sharing it between panels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from colabpanel.live._route import Owns, Route

__all__ = ["start"]

_ATTRIBUTE = "_colabpanel_live"
"""Where a kernel keeps its route: two of them reading one socket would end the kernel."""


def start(shell: Any, owns: Owns) -> Callable[[], None] | None:
    """Answer the messages of a panel's comms while a cell runs.

    Args:
        shell: The IPython shell of a kernel; call this on its main thread.
        owns: Tells which comms are the panel's.

    Returns:
        A function that stops it; None where there is no way, or the front end does it itself.
    """
    kernel = getattr(shell, "kernel", None)
    route: Route | None = getattr(kernel, _ATTRIBUTE, None) or _make(shell, kernel)
    if route is None:
        return None
    setattr(kernel, _ATTRIBUTE, route)
    route.owners.append(owns)

    def stop() -> None:
        if owns in route.owners:
            route.owners.remove(owns)
            if not route.owners:
                delattr(kernel, _ATTRIBUTE)
                route.close()

    return stop


def _make(shell: Any, kernel: Any) -> Route | None:
    if getattr(kernel, "_supports_kernel_subshells", False):
        from colabpanel.live import subshell

        return subshell.SubshellRoute(kernel) if subshell.possible() else None
    if hasattr(kernel, "schedule_dispatch") and hasattr(kernel, "shell_stream"):
        from colabpanel.live.pump import PumpRoute

        return PumpRoute(shell)
    return None
