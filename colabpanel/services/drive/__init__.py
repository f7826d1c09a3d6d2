"""Google Drive as a folder: mounting it, whether it is well, and whether what was written has reached it."""

from __future__ import annotations

from colabpanel.services.drive.folder import DriveFolder, find_drive, inspect_drive_folder, use_drive_folder
from colabpanel.services.drive.mounting import mount_drive, unmount_drive

__all__ = ["DriveFolder", "find_drive", "inspect_drive_folder", "mount_drive", "unmount_drive", "use_drive_folder"]
