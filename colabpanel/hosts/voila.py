"""The dashboard: the panel served to people who have no notebook, through Voila."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from colabpanel.errors import HostError
from colabpanel.hosts._base import IPythonHost
from colabpanel.hosts._limits import DASHBOARD_LIMITS, SERVER_LIMITS, KeepAliveWay, TimeLimit

__all__ = ["ROOT_VARIABLE", "VoilaHost"]

ROOT_VARIABLE = "COLABPANEL_ROOT"


class VoilaHost(IPythonHost):
    """A kernel behind Voila. Its user has no code, and stays below one folder."""

    name = "Dashboard"
    is_served = True
    keep_alive: KeepAliveWay = "heartbeat"

    def __init__(self, shell: object) -> None:
        super().__init__(shell)
        # Our own launcher names the root; how others start Voila cannot be seen from here.
        self.time_limits: tuple[TimeLimit, ...] = DASHBOARD_LIMITS if ROOT_VARIABLE in os.environ else SERVER_LIMITS
        self.root = Path(os.environ.get(ROOT_VARIABLE) or Path.cwd()).resolve()

    @property
    def workspace(self) -> Path:
        """The folder that is served."""
        return self.root or Path.cwd()

    def namespace(self) -> dict[str, Any]:
        """Return nothing: the variables of the packaged notebook are not the visitor's."""
        return {}

    def interrupt_cell(self) -> None:
        """Refuse: the dashboard runs no cells of the visitor's."""
        raise HostError("The dashboard runs no cells.")
