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
    from colabpanel.panel import Panel
    from colabpanel.progress import Progress
    from colabpanel.services.copying.models import CopiedData
    from colabpanel.services.copying.service import copy, mirror
    from colabpanel.services.drive import mount_drive, unmount_drive, use_drive_folder
    from colabpanel.services.memory import Usage, usage
    from colabpanel.services.snapshots.catalog import (
        SnapshotFile,
        contents,
        delete_snapshot,
        prune_snapshots,
        snapshots,
    )
    from colabpanel.services.snapshots.exporting import ExportedData, export_snapshot
    from colabpanel.services.snapshots.models import Contents, SavedVariable, Snapshot
    from colabpanel.services.snapshots.service import dump, load
    from colabpanel.services.staging.models import PackedData, Plan, StagedData
    from colabpanel.services.staging.packing.service import pack
    from colabpanel.services.staging.request import Limits
    from colabpanel.services.staging.service import plan, stage

__all__ = [
    "ColabPanelError",
    "Contents",
    "CopiedData",
    "ExportedData",
    "Limits",
    "PackedData",
    "Panel",
    "Plan",
    "Progress",
    "SavedVariable",
    "Snapshot",
    "SnapshotFile",
    "StagedData",
    "Usage",
    "__version__",
    "contents",
    "copy",
    "delete_snapshot",
    "dump",
    "export_snapshot",
    "load",
    "mirror",
    "mount_drive",
    "pack",
    "plan",
    "prune_snapshots",
    "show",
    "snapshots",
    "stage",
    "unmount_drive",
    "usage",
    "use_drive_folder",
]

__version__ = "0.1.0"

_HOMES = {
    "ColabPanelError": "errors",
    "Contents": "services.snapshots.models",
    "CopiedData": "services.copying.models",
    "ExportedData": "services.snapshots.exporting",
    "Limits": "services.staging.request",
    "PackedData": "services.staging.models",
    "Panel": "panel",
    "Plan": "services.staging.models",
    "Progress": "progress",
    "SavedVariable": "services.snapshots.models",
    "Snapshot": "services.snapshots.models",
    "SnapshotFile": "services.snapshots.catalog",
    "StagedData": "services.staging.models",
    "Usage": "services.memory",
    "contents": "services.snapshots.catalog",
    "copy": "services.copying.service",
    "delete_snapshot": "services.snapshots.catalog",
    "dump": "services.snapshots.service",
    "export_snapshot": "services.snapshots.exporting",
    "load": "services.snapshots.service",
    "mirror": "services.copying.service",
    "mount_drive": "services.drive",
    "pack": "services.staging.packing.service",
    "plan": "services.staging.service",
    "prune_snapshots": "services.snapshots.catalog",
    "show": "api",
    "snapshots": "services.snapshots.catalog",
    "stage": "services.staging.service",
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
