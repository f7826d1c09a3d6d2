"""Where each public name lives, so that it loads on first use."""

from __future__ import annotations

__all__ = ["HOMES"]

_NAMES = {
    "api": "Preview TransferView download keep_alive preview show upload",
    "errors": "ColabPanelError",
    "panel": "Panel",
    "progress": "Progress",
    "services.browsing.listing": "list_page",
    "services.browsing.operations": "copy_entries delete_entries make_folder move_entries rename_entry zip_entries",
    "services.browsing.sizes": "folder_size",
    "services.checkpoints.catalog": (
        "checkpoints delete_checkpoints pin_checkpoint prune_checkpoints request_checkpoint verify_checkpoints"
    ),
    "services.checkpoints.comparing": (
        "CheckpointContents Comparison checkpoint_contents compare_checkpoints find_checkpoint"
    ),
    "services.checkpoints.exporting": "ExportedCheckpoint export_checkpoint",
    "services.checkpoints.filling": "restore_checkpoint",
    "services.checkpoints.models": "Checkpoint Restored TensorInfo VerifiedCheckpoint",
    "services.checkpoints.service": "Checkpoints",
    "services.copying.models": "CopiedData",
    "services.copying.service": "copy mirror",
    "services.drive": "mount_drive unmount_drive use_drive_folder",
    "services.drive.health": "DriveHealth drive_health",
    "services.drive.repairing": "RepairedDrive repair_drive",
    "services.drive.safety": "DriveSafety drive_safety wait_until_safe",
    "services.fetching.models": "Fetched",
    "services.fetching.service": "fetch",
    "services.images.choices": "load_choices save_choices",
    "services.images.listing": "list_images",
    "services.images.models": "CheckedImages ImageFolder Picture",
    "services.images.service": "check_images",
    "services.memory": "Usage usage",
    "services.memory.filling.service": "Filled fill_memory",
    "services.memory.guarding.guard": "MemoryGuard",
    "services.memory.guarding.models": "GuardEvent GuardStatus",
    "services.memory.ledger": "CellLedger CellRow",
    "services.memory.referrers": "Referrer referrers",
    "services.memory.releasing.models": "Released",
    "services.memory.releasing.service": "release",
    "services.memory.shrinking": "Saving Shrunk savings shrink",
    "services.memory.variables": "Variable variables",
    "services.memory.watch": "cells guard_memory",
    "services.modules.adding": "add_module_path module_paths reload_modules remove_module_path",
    "services.modules.installing": "install_requirements plan_installation",
    "services.modules.models": "AddedModules ModulePath",
    "services.modules.reloading": "ModuleReloader",
    "services.modules.remembering": "remembered_modules",
    "services.modules.requirements": "check_requirements",
    "services.remotes.configuring": "add_remote check_remote forget_remote",
    "services.remotes.models": "GotFile NamedRemote PutFile RemoteEntry RemoteFolder RemoteQuota",
    "services.remotes.service": (
        "empty_drive_trash get_remote link_to list_remote path_of put_remote remote_quota remotes"
    ),
    "services.session.clock": "SessionClock session_clock",
    "services.session.environment": "Environment Finding environment",
    "services.session.finishing": "Finished finish",
    "services.session.keeping_alive": "KeepAlive",
    "services.session.safety": "SafetyCheck",
    "services.snapshots.catalog": "SnapshotFile contents delete_snapshot prune_snapshots snapshots",
    "services.snapshots.exporting": "ExportedData export_snapshot",
    "services.snapshots.models": "Contents SavedVariable Snapshot",
    "services.snapshots.service": "dump load",
    "services.staging.models": "PackedData Plan StagedData",
    "services.staging.packing.service": "pack",
    "services.staging.request": "Limits",
    "services.staging.service": "plan stage",
}

HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}
"""The module of each name, within the package."""
