"""What one tab sets and another observes."""

from __future__ import annotations

from traitlets import Bool, Float, HasTraits, Unicode

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
    """

    drive_root = Unicode("")
    workspace = Unicode("")
    alert_sound = Bool(False)
    alert_notification = Bool(False)
    alert_webhook = Unicode("")
    alert_after = Float(60.0)
    alert_problem = Unicode("")
