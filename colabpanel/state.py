"""What one tab sets and another observes."""

from __future__ import annotations

from collections.abc import Callable

from traitlets import Bool, Float, HasTraits, Tuple, Unicode

__all__ = ["PanelState"]


class PanelState(HasTraits):
    """The panel's shared state.

    Attributes:
        drive_root: The folder that holds the user's Drive, or an empty string.
        workspace: The fast local folder to work in.
        alert_sound: Whether an alert is heard.
        alert_notification: Whether the browser notifies.
        alert_webhook: An address that alerts are sent to, or an empty string; a secret.
        alert_after: Seconds that a cell or a job takes at least for its end to be told.
        alert_problem: Why the last alert did not reach its address, or an empty string.
        shown_tabs: The names of the tabs that the panel shows.
        wanted: The name of a tab that shall come to the front, or an empty string.
        for_staging: A path that the tab for staging shall take over, or an empty string.
        for_images: A path that the tab for images shall take over, likewise.
        for_downloads: A path that the tab for downloads shall take over, likewise.
    """

    drive_root = Unicode("")
    workspace = Unicode("")
    alert_sound = Bool(False)
    alert_notification = Bool(False)
    alert_webhook = Unicode("")
    alert_after = Float(60.0)
    alert_problem = Unicode("")
    shown_tabs = Tuple()
    wanted = Unicode("")
    for_staging = Unicode("")
    for_images = Unicode("")
    for_downloads = Unicode("")

    def hand_over(self, tab: str, path: str) -> None:
        """Give a path to a tab, ``staging``, ``images`` or ``downloads``, and bring it to the front."""
        self.wanted = tab
        setattr(self, f"for_{tab}", path)

    def take(self, name: str, receive: Callable[[str], None]) -> None:
        """Call ``receive`` with what is in a trait now, and whenever something comes; it is emptied each time."""

        def look(_: object) -> None:
            value = getattr(self, name)
            if value:
                setattr(self, name, "")
                receive(value)

        self.observe(look, names=name)
        look(None)
