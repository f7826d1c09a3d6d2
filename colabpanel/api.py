"""The calls that display something in the notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from colabpanel.errors import HostError
from colabpanel.hosts import detect
from colabpanel.panel import Panel
from colabpanel.services.paths import resolve_inside

__all__ = ["show"]

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
