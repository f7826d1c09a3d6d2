"""Which way a file takes to the browser: by host and size, or as it was asked for."""

from __future__ import annotations

from colabpanel import words
from colabpanel.errors import HostError, InputError
from colabpanel.hosts import Host
from colabpanel.services.transfer.link import Link
from colabpanel.services.transfer.models import ROUTES, Route
from colabpanel.services.transfer.outgoing import Outgoing

__all__ = ["choose_route"]


def choose_route(
    source: Outgoing, *, host: Host, link: Link | None, has_drive: bool, route: Route | None = None
) -> Route:
    """Return the way for something to send.

    Args:
        source: What is to be sent.
        host: The notebook host.
        link: The line to the page, or None where there is none.
        has_drive: Whether there is a Drive to copy to.
        route: Take this one, or None for the best that is open.

    Raises:
        InputError: There is no route of this name.
        HostError: The route is not open here, or none is.
    """
    if route is not None and route not in ROUTES:
        raise InputError(f"There is no route called {route!r}.", hint=f"The routes are: {', '.join(ROUTES)}.")
    for candidate in ROUTES if route is None else (route,):
        reason = _why_not(candidate, source, host, link, has_drive=has_drive)
        if reason is None:
            return candidate
    if route is None:
        raise HostError(f"{host.name} has no way to hand {source.name} to a browser.", hint=_hint(host))
    raise HostError(f"{source.name} cannot take the route {route!r}: {reason}.", hint="Leave out route to choose one.")


def _why_not(route: Route, source: Outgoing, host: Host, link: Link | None, *, has_drive: bool) -> str | None:
    """Return why a route is closed, or None where it is open."""
    if route in {"files", "comm"} and link is None:
        return "there is no line to the page"
    if route == "files":
        if source.packed:
            return "an archive that is sent while it is made has no address"
        return None if host.file_url(source.path) else f"{host.name} serves no address for it"
    if route == "colab":
        if not host.sends_up_to:
            return f"{host.name} has no helper for it"
        if source.amount > host.sends_up_to:
            return f"the helper of {host.name} takes up to {words.size(host.sends_up_to)}"
    if route == "drive" and not has_drive:
        return "Google Drive is not mounted"
    return None


def _hint(host: Host) -> str:
    if host.drive_mountpoint is not None:
        return "Mount Google Drive in the Drive tab: it is copied there, and you get a link."
    return "Open colabpanel in JupyterLab, Notebook, VS Code or the dashboard."
