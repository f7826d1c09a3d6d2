"""What one tab sets and another observes."""

from __future__ import annotations

from traitlets import HasTraits, Unicode

__all__ = ["PanelState"]


class PanelState(HasTraits):
    """The panel's shared state.

    Attributes:
        drive_root: The folder that holds the user's Drive, or an empty string.
        workspace: The fast local folder to work in.
    """

    drive_root = Unicode("")
    workspace = Unicode("")
