"""A control panel for notebooks: staging data, Drive, memory, and files in and out.

``colabpanel.show()`` in a cell shows the panel; every button of it is one of the
functions listed here, which need no panel. Names load on first use, so importing
colabpanel is quick and a service never loads the widgets.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from colabpanel._public import HOMES

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
    from colabpanel.services.modules.adding import (
        add_module_path,
        module_paths,
        reload_modules,
        remove_module_path,
    )
    from colabpanel.services.modules.installing import install_requirements, plan_installation
    from colabpanel.services.modules.models import AddedModules, ModulePath
    from colabpanel.services.modules.reloading import ModuleReloader
    from colabpanel.services.modules.remembering import remembered_modules
    from colabpanel.services.modules.requirements import check_requirements
    from colabpanel.services.remotes.configuring import add_remote, check_remote, forget_remote
    from colabpanel.services.remotes.models import GotFile, NamedRemote, PutFile, RemoteEntry, RemoteFolder, RemoteQuota
    from colabpanel.services.remotes.service import (
        empty_drive_trash,
        get_remote,
        link_to,
        list_remote,
        path_of,
        put_remote,
        remote_quota,
        remotes,
    )
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
    "AddedModules",
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
    "GotFile",
    "GuardEvent",
    "GuardStatus",
    "ImageFolder",
    "KeepAlive",
    "Limits",
    "MemoryGuard",
    "ModulePath",
    "ModuleReloader",
    "NamedRemote",
    "PackedData",
    "Panel",
    "Picture",
    "Plan",
    "Preview",
    "Progress",
    "PutFile",
    "Referrer",
    "Released",
    "RemoteEntry",
    "RemoteFolder",
    "RemoteQuota",
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
    "add_module_path",
    "add_remote",
    "cells",
    "check_images",
    "check_remote",
    "check_requirements",
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
    "empty_drive_trash",
    "environment",
    "export_checkpoint",
    "export_snapshot",
    "fetch",
    "fill_memory",
    "find_checkpoint",
    "finish",
    "folder_size",
    "forget_remote",
    "get_remote",
    "guard_memory",
    "install_requirements",
    "keep_alive",
    "link_to",
    "list_images",
    "list_page",
    "list_remote",
    "load",
    "load_choices",
    "make_folder",
    "mirror",
    "module_paths",
    "mount_drive",
    "move_entries",
    "pack",
    "path_of",
    "pin_checkpoint",
    "plan",
    "plan_installation",
    "preview",
    "prune_checkpoints",
    "prune_snapshots",
    "put_remote",
    "referrers",
    "release",
    "reload_modules",
    "remembered_modules",
    "remote_quota",
    "remotes",
    "remove_module_path",
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


def __getattr__(name: str) -> object:
    home = HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'colabpanel' has no attribute {name!r}")
    value = getattr(import_module(f"colabpanel.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
