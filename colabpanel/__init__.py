"""A control panel for notebooks: staging data, Drive, memory, and files in and out.

``colabpanel.show()`` in a cell shows the panel; every button of it is one of the
functions listed here, which need no panel. Names load on first use, so importing
colabpanel is quick and a service never loads the widgets.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colabpanel.api import Preview, TransferView, download, keep_alive, preview, show, upload
    from colabpanel.errors import ColabPanelError
    from colabpanel.panel import Panel
    from colabpanel.progress import Progress
    from colabpanel.services.browsing.listing import list_page
    from colabpanel.services.browsing.operations import (
        copy_entries,
        delete_entries,
        make_folder,
        move_entries,
        rename_entry,
        zip_entries,
    )
    from colabpanel.services.browsing.sizes import folder_size
    from colabpanel.services.checkpoints.catalog import (
        checkpoints,
        delete_checkpoints,
        pin_checkpoint,
        prune_checkpoints,
        request_checkpoint,
        verify_checkpoints,
    )
    from colabpanel.services.checkpoints.comparing import (
        CheckpointContents,
        Comparison,
        checkpoint_contents,
        compare_checkpoints,
        find_checkpoint,
    )
    from colabpanel.services.checkpoints.exporting import ExportedCheckpoint, export_checkpoint
    from colabpanel.services.checkpoints.filling import restore_checkpoint
    from colabpanel.services.checkpoints.models import Checkpoint, Restored, TensorInfo, VerifiedCheckpoint
    from colabpanel.services.checkpoints.service import Checkpoints
    from colabpanel.services.copying.models import CopiedData
    from colabpanel.services.copying.service import copy, mirror
    from colabpanel.services.drive import mount_drive, unmount_drive, use_drive_folder
    from colabpanel.services.drive.health import DriveHealth, drive_health
    from colabpanel.services.drive.repairing import RepairedDrive, repair_drive
    from colabpanel.services.drive.safety import DriveSafety, drive_safety, wait_until_safe
    from colabpanel.services.fetching.models import Fetched
    from colabpanel.services.fetching.service import fetch
    from colabpanel.services.images.choices import load_choices, save_choices
    from colabpanel.services.images.listing import list_images
    from colabpanel.services.images.models import CheckedImages, ImageFolder, Picture
    from colabpanel.services.images.service import check_images
    from colabpanel.services.memory import Usage, usage
    from colabpanel.services.memory.filling.service import Filled, fill_memory
    from colabpanel.services.memory.guarding.guard import MemoryGuard
    from colabpanel.services.memory.guarding.models import GuardEvent, GuardStatus
    from colabpanel.services.memory.ledger import CellLedger, CellRow
    from colabpanel.services.memory.referrers import Referrer, referrers
    from colabpanel.services.memory.releasing.models import Released
    from colabpanel.services.memory.releasing.service import release
    from colabpanel.services.memory.shrinking import Saving, Shrunk, savings, shrink
    from colabpanel.services.memory.variables import Variable, variables
    from colabpanel.services.memory.watch import cells, guard_memory
    from colabpanel.services.session.clock import SessionClock, session_clock
    from colabpanel.services.session.environment import Environment, Finding, environment
    from colabpanel.services.session.finishing import Finished, finish
    from colabpanel.services.session.keeping_alive import KeepAlive
    from colabpanel.services.session.safety import SafetyCheck
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
    "CellLedger",
    "CellRow",
    "CheckedImages",
    "Checkpoint",
    "CheckpointContents",
    "Checkpoints",
    "ColabPanelError",
    "Comparison",
    "Contents",
    "CopiedData",
    "DriveHealth",
    "DriveSafety",
    "Environment",
    "ExportedCheckpoint",
    "ExportedData",
    "Fetched",
    "Filled",
    "Finding",
    "Finished",
    "GuardEvent",
    "GuardStatus",
    "ImageFolder",
    "KeepAlive",
    "Limits",
    "MemoryGuard",
    "PackedData",
    "Panel",
    "Picture",
    "Plan",
    "Preview",
    "Progress",
    "Referrer",
    "Released",
    "RepairedDrive",
    "Restored",
    "SafetyCheck",
    "SavedVariable",
    "Saving",
    "SessionClock",
    "Shrunk",
    "Snapshot",
    "SnapshotFile",
    "StagedData",
    "TensorInfo",
    "TransferView",
    "Usage",
    "Variable",
    "VerifiedCheckpoint",
    "__version__",
    "cells",
    "check_images",
    "checkpoint_contents",
    "checkpoints",
    "compare_checkpoints",
    "contents",
    "copy",
    "copy_entries",
    "delete_checkpoints",
    "delete_entries",
    "delete_snapshot",
    "download",
    "drive_health",
    "drive_safety",
    "dump",
    "environment",
    "export_checkpoint",
    "export_snapshot",
    "fetch",
    "fill_memory",
    "find_checkpoint",
    "finish",
    "folder_size",
    "guard_memory",
    "keep_alive",
    "list_images",
    "list_page",
    "load",
    "load_choices",
    "make_folder",
    "mirror",
    "mount_drive",
    "move_entries",
    "pack",
    "pin_checkpoint",
    "plan",
    "preview",
    "prune_checkpoints",
    "prune_snapshots",
    "referrers",
    "release",
    "rename_entry",
    "repair_drive",
    "request_checkpoint",
    "restore_checkpoint",
    "save_choices",
    "savings",
    "session_clock",
    "show",
    "shrink",
    "snapshots",
    "stage",
    "unmount_drive",
    "upload",
    "usage",
    "use_drive_folder",
    "variables",
    "verify_checkpoints",
    "wait_until_safe",
    "zip_entries",
]

__version__ = "0.1.0"

_HOMES = {
    "CellLedger": "services.memory.ledger",
    "CellRow": "services.memory.ledger",
    "CheckedImages": "services.images.models",
    "Checkpoint": "services.checkpoints.models",
    "CheckpointContents": "services.checkpoints.comparing",
    "Checkpoints": "services.checkpoints.service",
    "ColabPanelError": "errors",
    "Comparison": "services.checkpoints.comparing",
    "Contents": "services.snapshots.models",
    "CopiedData": "services.copying.models",
    "DriveHealth": "services.drive.health",
    "DriveSafety": "services.drive.safety",
    "Environment": "services.session.environment",
    "ExportedCheckpoint": "services.checkpoints.exporting",
    "ExportedData": "services.snapshots.exporting",
    "Fetched": "services.fetching.models",
    "Filled": "services.memory.filling.service",
    "Finding": "services.session.environment",
    "Finished": "services.session.finishing",
    "GuardEvent": "services.memory.guarding.models",
    "GuardStatus": "services.memory.guarding.models",
    "ImageFolder": "services.images.models",
    "KeepAlive": "services.session.keeping_alive",
    "Limits": "services.staging.request",
    "MemoryGuard": "services.memory.guarding.guard",
    "PackedData": "services.staging.models",
    "Panel": "panel",
    "Picture": "services.images.models",
    "Plan": "services.staging.models",
    "Preview": "api",
    "Progress": "progress",
    "Referrer": "services.memory.referrers",
    "Released": "services.memory.releasing.models",
    "RepairedDrive": "services.drive.repairing",
    "Restored": "services.checkpoints.models",
    "SafetyCheck": "services.session.safety",
    "SavedVariable": "services.snapshots.models",
    "Saving": "services.memory.shrinking",
    "SessionClock": "services.session.clock",
    "Shrunk": "services.memory.shrinking",
    "Snapshot": "services.snapshots.models",
    "SnapshotFile": "services.snapshots.catalog",
    "StagedData": "services.staging.models",
    "TensorInfo": "services.checkpoints.models",
    "TransferView": "api",
    "Usage": "services.memory",
    "Variable": "services.memory.variables",
    "VerifiedCheckpoint": "services.checkpoints.models",
    "cells": "services.memory.watch",
    "check_images": "services.images.service",
    "checkpoint_contents": "services.checkpoints.comparing",
    "checkpoints": "services.checkpoints.catalog",
    "compare_checkpoints": "services.checkpoints.comparing",
    "contents": "services.snapshots.catalog",
    "copy": "services.copying.service",
    "copy_entries": "services.browsing.operations",
    "delete_checkpoints": "services.checkpoints.catalog",
    "delete_entries": "services.browsing.operations",
    "delete_snapshot": "services.snapshots.catalog",
    "download": "api",
    "drive_health": "services.drive.health",
    "drive_safety": "services.drive.safety",
    "dump": "services.snapshots.service",
    "environment": "services.session.environment",
    "export_checkpoint": "services.checkpoints.exporting",
    "export_snapshot": "services.snapshots.exporting",
    "fetch": "services.fetching.service",
    "fill_memory": "services.memory.filling.service",
    "find_checkpoint": "services.checkpoints.comparing",
    "finish": "services.session.finishing",
    "folder_size": "services.browsing.sizes",
    "guard_memory": "services.memory.watch",
    "keep_alive": "api",
    "list_images": "services.images.listing",
    "list_page": "services.browsing.listing",
    "load": "services.snapshots.service",
    "load_choices": "services.images.choices",
    "make_folder": "services.browsing.operations",
    "mirror": "services.copying.service",
    "mount_drive": "services.drive",
    "move_entries": "services.browsing.operations",
    "pack": "services.staging.packing.service",
    "pin_checkpoint": "services.checkpoints.catalog",
    "plan": "services.staging.service",
    "preview": "api",
    "prune_checkpoints": "services.checkpoints.catalog",
    "prune_snapshots": "services.snapshots.catalog",
    "referrers": "services.memory.referrers",
    "release": "services.memory.releasing.service",
    "rename_entry": "services.browsing.operations",
    "repair_drive": "services.drive.repairing",
    "request_checkpoint": "services.checkpoints.catalog",
    "restore_checkpoint": "services.checkpoints.filling",
    "save_choices": "services.images.choices",
    "savings": "services.memory.shrinking",
    "session_clock": "services.session.clock",
    "show": "api",
    "shrink": "services.memory.shrinking",
    "snapshots": "services.snapshots.catalog",
    "stage": "services.staging.service",
    "unmount_drive": "services.drive",
    "upload": "api",
    "usage": "services.memory",
    "use_drive_folder": "services.drive",
    "variables": "services.memory.variables",
    "verify_checkpoints": "services.checkpoints.catalog",
    "wait_until_safe": "services.drive.safety",
    "zip_entries": "services.browsing.operations",
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
