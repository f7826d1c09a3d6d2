"""How Drive is mounted, for those who want it otherwise than usual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from colabpanel.services.drive.mounting import MOUNT_SECONDS
from colabpanel.widgets.basics import styled

__all__ = ["DriveMountOptions"]

_LONGEST = 1800


class DriveMountOptions:
    """Fields for where Drive is mounted, how long that may take, and whether to mount it anew.

    Args:
        mountpoint: Where it is mounted usually.
        changed: Called when a field changes.
    """

    def __init__(self, mountpoint: str, changed: Callable[[], object]) -> None:
        self.mountpoint = styled(ipywidgets.Text(description="Mountpoint", placeholder=mountpoint), "cp-field")
        self.timeout = styled(
            ipywidgets.BoundedIntText(
                value=round(MOUNT_SECONDS), min=10, max=_LONGEST, description="Seconds it may take"
            ),
            "cp-field",
        )
        self.force = styled(ipywidgets.Checkbox(description="Mount anew if it is mounted", indent=False), "cp-check")
        fields = (self.mountpoint, self.timeout, self.force)
        for field in fields:
            field.observe(lambda _: changed(), names="value")
        self.widget = ipywidgets.VBox(fields)

    def chosen(self) -> dict[str, Any]:
        """Return what differs from the usual, as `mount_drive` takes it."""
        chosen: dict[str, Any] = {}
        if self.mountpoint.value.strip():
            chosen["mountpoint"] = self.mountpoint.value.strip()
        if self.force.value:
            chosen["force"] = True
        if self.timeout.value != MOUNT_SECONDS:
            chosen["timeout"] = float(self.timeout.value)
        return chosen
