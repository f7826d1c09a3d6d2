"""The calls that display something in the notebook."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import ipywidgets

from colabpanel.errors import HostError, InputError
from colabpanel.hosts import detect
from colabpanel.panel import Panel
from colabpanel.progress import Progress
from colabpanel.services.images.anything import picture_of
from colabpanel.services.images.models import Picture
from colabpanel.services.paths import resolve_inside
from colabpanel.services.session.keeping_alive import KeepAlive, checked_interval, checked_minutes
from colabpanel.services.transfer.models import Overwrite, Route
from colabpanel.tabs._image_words import shown
from colabpanel.tabs._keep_alive_card import connected_view, console_help
from colabpanel.tabs._transfer_view import TransferView
from colabpanel.widgets.basics import sendable, under_stylesheet
from colabpanel.widgets.image_view import viewer_html

__all__ = ["Preview", "TransferView", "download", "keep_alive", "preview", "show", "upload"]

_MOST_VIEWS = 8

_shown: list[Panel] = []
_transfers: list[TransferView] = []


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
    try:
        while _shown:
            _shown.pop().close()
        display(panel.widget)
    except BaseException:  # an interrupt, too, leaves no panel behind that nobody sees
        panel.close()
        raise
    _shown.append(panel)
    return panel


def download(
    paths: str | Path | Sequence[str | Path],
    *,
    only: str = "",
    route: Route | None = None,
    root: str | Path | None = None,
) -> TransferView:
    """Hand files of the runtime to the browser, which saves them.

    One file goes as it is; a folder, and several files, go as one zip archive that is made while it is sent. The cell
    does not wait for it: how far it is, and what went wrong, stands below the cell.

    Args:
        paths: A file, a folder, or several of them.
        only: A pattern such as ``*.png``, for the names of files in folders; empty takes all.
        route: ``files`` (the notebook server's own link), ``comm`` (through the notebook, compared by SHA-256),
            ``colab`` (Colab's helper) or ``drive`` (a copy on Google Drive, and a link); None chooses by host and size.
        root: Refuse paths outside of this folder.

    Returns:
        What is shown; ``close()`` cancels what runs and takes it away.

    Raises:
        InputError: There is no path.
        HostError: There is no notebook.
    """
    names = [str(paths)] if isinstance(paths, str | Path) else [str(path) for path in paths]
    if not names:
        raise InputError("There is nothing to download.", hint="Give a file, a folder, or a list of them.")
    view = _transfer_view(root)
    view.download(names, only=only, route=route)
    return view


def upload(
    directory: str | Path = ".", *, overwrite: Overwrite = "ask", root: str | Path | None = None
) -> TransferView:
    """Show what takes files and folders from the browser into a folder of the runtime.

    Args:
        directory: The folder; it is made where there is none.
        overwrite: What becomes of a file that is there already: ``ask`` refuses the upload and says so, ``rename``
            keeps both, ``replace`` replaces it.
        root: Refuse a folder outside of this one.

    Returns:
        What is shown; ``close()`` cancels what runs and takes it away.

    Raises:
        InputError: There is no such rule.
        HostError: There is no notebook.
    """
    rules = get_args(Overwrite)
    if overwrite not in rules:
        raise InputError(f"There is no rule called {overwrite!r}.", hint=f"The rules are: {', '.join(rules)}.")
    return _transfer_view(root, directory=str(directory), overwrite=overwrite)


def _transfer_view(root: str | Path | None, **options: Any) -> TransferView:
    """Show the transfers of one call, and close the oldest views whose transfers have ended."""
    display, host = _display(), detect()
    if root is not None:
        host.root = resolve_inside(host.root, root)
    view = TransferView(host, **options)
    display(view.widget)
    _transfers.append(view)
    quiet = [shown for shown in _transfers[:-_MOST_VIEWS] if not shown.busy]
    for old in quiet:
        old.close()
        _transfers.remove(old)
    return view


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
    return under_stylesheet(widget)


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


class Preview:
    """A picture that a notebook shows: to zoom and pan, or as a still image or text where a viewer knows no more.

    Args:
        picture: What is shown.

    Attributes:
        picture: What is shown, with all that is known of it.
    """

    def __init__(self, picture: Picture) -> None:
        self.picture = picture

    def __repr__(self) -> str:
        picture = self.picture
        size = f"{picture.width:,} x {picture.height:,}" if picture.width and picture.height else ""
        facts = ", ".join(fact for fact in (size, picture.format, picture.mode) if fact)
        return sendable(f"<Preview of {picture.title}: {facts}>")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return it as text, as an image, and as the viewer; a drawing, which may hold scripts, in the viewer alone."""
        bundle = {"text/plain": repr(self), "text/html": viewer_html(shown(self.picture))}
        if self.picture.kind != "image/svg+xml":
            bundle[self.picture.kind] = base64.b64encode(self.picture.data).decode()
        return bundle


def preview(
    value: Any,
    *,
    title: str | None = None,
    frame: int = 0,
    root: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Preview:
    """Look at a picture: an image file, an array or tensor, a batch of them, a figure, a model.

    As the last line of a cell it is shown; it takes no panel, and the page it is in needs no kernel.

    Args:
        value: A path, the bytes of an image file, an image of Pillow, an array or tensor of NumPy, PyTorch,
            TensorFlow or JAX, a figure of matplotlib, a model of Keras, or a list of images or arrays.
        title: What it is called.
        frame: Of a file, the page or frame to show, from 0.
        root: Refuse paths outside of this folder.
        progress: May cancel it.
        **options: Of an array: ``layout`` ("auto", "HWC", "NCHW" and so on), ``undo`` ("auto", "bytes", "unit",
            "signed", "imagenet", "minmax": what its values are), ``index`` (the one image of a batch), ``mask``,
            ``boxes``, and ``box_format`` ("xyxy", "xywh", "cxcywh").

    Raises:
        InputError: It cannot be shown.
        MissingLibraryError: A library that it takes is not installed.
    """
    return Preview(picture_of(value, title=title, frame=frame, root=root, progress=progress, **options))
