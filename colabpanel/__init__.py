"""A control panel for notebooks: staging data, Drive, memory, and files in and out.

``colabpanel.show()`` in a cell shows the panel; every button of it is one of the
functions listed here, which need no panel. Names load on first use, so importing
colabpanel is quick and a service never loads the widgets.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colabpanel.api import show
    from colabpanel.errors import ColabPanelError
    from colabpanel.jobs import Progress
    from colabpanel.panel import Panel
    from colabpanel.services.drive import mount_drive, unmount_drive, use_drive_folder
    from colabpanel.services.memory import Usage, usage
    from colabpanel.services.staging import Limits, PackedData, Plan, StagedData, pack, plan, stage

__all__ = [
    "ColabPanelError",
    "Limits",
    "PackedData",
    "Panel",
    "Plan",
    "Progress",
    "StagedData",
    "Usage",
    "__version__",
    "mount_drive",
    "pack",
    "plan",
    "show",
    "stage",
    "unmount_drive",
    "usage",
    "use_drive_folder",
]

__version__ = "0.1.0"

_HOMES = {
    "ColabPanelError": "errors",
    "Limits": "services.staging",
    "PackedData": "services.staging",
    "Panel": "panel",
    "Plan": "services.staging",
    "Progress": "jobs",
    "StagedData": "services.staging",
    "Usage": "services.memory",
    "mount_drive": "services.drive",
    "pack": "services.staging",
    "plan": "services.staging",
    "show": "api",
    "stage": "services.staging",
    "unmount_drive": "services.drive",
    "usage": "services.memory",
    "use_drive_folder": "services.drive",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'colabpanel' has no attribute {name!r}")
    value = getattr(import_module(f"colabpanel.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
