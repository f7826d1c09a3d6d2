"""The calls that display something in the notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets

from colabpanel.errors import HostError
from colabpanel.hosts import detect
from colabpanel.panel import Panel
from colabpanel.services.paths import resolve_inside
from colabpanel.services.session.keeping_alive import KeepAlive, checked_interval, checked_minutes
from colabpanel.tabs._keep_alive_card import connected_view, console_help
from colabpanel.widgets.basics import styled, stylesheet

__all__ = ["keep_alive", "show"]

_shown: list[Panel] = []


def show(tabs: Sequence[str] | None = None, *, root: str | Path | None = None, live: bool | None = None) -> Panel:
    """Show the panel in the output of this cell, in place of one shown before.

    Args:
        tabs: Names of the tabs to show ("drive", "staging"), in this order; None shows all.
        root: A folder that the panel shall not leave; None lets it go anywhere you may.
        live: Whether the panel answers clicks while a cell runs. None does where the kernel lets it;
            with ipykernel 7.0 to 7.3 it is JupyterLab that does, and False changes nothing there.

    Returns:
        The panel; ``panel.close()`` takes it away.

    Raises:
        InputError: There is no tab of a name in ``tabs``.
        HostError: IPython is not running, or ``live`` is True and the kernel has no way.
    """
    display = _display()
    host = detect()
    if root is not None:
        host.root = resolve_inside(host.root, root)
    panel = Panel(tabs, host=host, live=live)
    if live and not panel.live:
        panel.close()
        raise HostError(
            "This kernel has no way to answer clicks while a cell runs.",
            hint="Leave out live=True, or update ipykernel.",
        )
    while _shown:
        _shown.pop().close()
    display(panel.widget)
    _shown.append(panel)
    return panel


def keep_alive(minutes: float, *, interval: float = 60.0) -> KeepAlive | None:
    """Keep an idle kernel alive for so many minutes, by a heartbeat of the page that shows the output of this cell.

    A server that ends idle kernels counts each heartbeat as activity, also while the page is hidden. It ends by itself
    at its deadline, when the page is closed, when the computer sleeps, and by its Stop button.

    Args:
        minutes: How long; 1,440 at most.
        interval: Seconds between two heartbeats; less than the server takes for idle.

    Returns:
        The heartbeat, with ``status()`` and ``stop()``. On Colab, whose page no output reaches, None: there it shows
        what you can paste into the console of the page.

    Raises:
        InputError: It is no number of minutes from 0 to 24 hours, or no interval.
        HostError: There is no notebook.
    """
    minutes, interval = checked_minutes(minutes), checked_interval(interval)
    display = _display()
    if detect().keep_alive == "console":
        display(_framed(ipywidgets.HTML(console_help(minutes))))
        return None
    beating = KeepAlive()
    display(_framed(connected_view(beating, interval=interval)))
    beating.start(minutes)
    return beating


def _framed(widget: ipywidgets.Widget) -> ipywidgets.VBox:
    return styled(ipywidgets.VBox([stylesheet(), widget]), "colabpanel")


def _display() -> Callable[[object], object]:
    """Return what displays an object in the output of the running cell."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        running = None
    else:
        running = get_ipython()
    if running is None:
        raise HostError("There is no notebook to show the panel in.", hint="Run: colabpanel serve")
    shown: Callable[[object], object] = display
    return shown
