"""The errors colabpanel raises: one sentence for the user, and a hint.

```
ColabPanelError
├── InputError            what was given cannot be used; nothing was changed
│   ├── PathError         missing, of the wrong kind, or not permitted
│   │   └── OutsideRootError
│   ├── ArchiveError      not an archive, damaged or not supported
│   │   ├── LimitError    a bomb, or larger than the limits allow
│   │   └── PasswordError
│   ├── SpaceError        it would not fit
│   ├── TrustError        loading a file would run code that nobody vouches for
│   └── MissingLibraryError  an optional library is needed and not installed
├── StorageError          a disk or Drive failed while working; what is done is kept
│   └── SourceLostError   the source went away
│       └── UnreadableError   a part of it cannot be read, however often it is tried
├── HostError             this notebook host cannot do it
│   └── MountFailedError  Drive's own program gave up; another try often works
├── JobBusyError
└── JobCancelledError
```
"""

from __future__ import annotations

__all__ = [
    "ArchiveError",
    "ColabPanelError",
    "HostError",
    "InputError",
    "JobBusyError",
    "JobCancelledError",
    "LimitError",
    "MissingLibraryError",
    "MountFailedError",
    "OutsideRootError",
    "PasswordError",
    "PathError",
    "SourceLostError",
    "SpaceError",
    "StorageError",
    "TrustError",
    "UnreadableError",
]


class ColabPanelError(Exception):
    """Base of every error a user of colabpanel may see.

    Attributes:
        message: What went wrong, in one plain sentence.
        hint: What to do next, or an empty string.
        status: How a command ends with it: ``rejected``, ``failed`` or ``cancelled``.
    """

    status = "failed"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(ColabPanelError):
    """What was given cannot be used; nothing was changed."""

    status = "rejected"


class PathError(InputError):
    """A path is missing, of the wrong kind, or not permitted."""


class OutsideRootError(PathError):
    """A path leads out of the folder that the panel may touch."""


class ArchiveError(InputError):
    """A file is not an archive, is damaged, or is of a kind that is not supported."""


class LimitError(ArchiveError):
    """An archive asks for more than the limits allow."""


class PasswordError(ArchiveError):
    """An archive is encrypted and the password is missing or wrong."""


class SpaceError(InputError):
    """The result would not fit on the disk."""


class TrustError(InputError):
    """Loading a file would run code that nobody vouches for; nothing of it was run."""


class MissingLibraryError(InputError):
    """An optional library is needed; the hint is the command that installs it."""


class StorageError(ColabPanelError):
    """A disk or Drive failed while working; what was done so far is kept."""


class SourceLostError(StorageError):
    """The source cannot be reached any more."""


class UnreadableError(SourceLostError):
    """A part of the source cannot be read; the rest of it may be fine."""


class HostError(ColabPanelError):
    """This notebook host cannot do what was asked."""


class MountFailedError(HostError):
    """Drive's own program gave up while it was mounted; another try often works."""


class JobBusyError(ColabPanelError):
    """A job of this tab is still running."""

    status = "rejected"


class JobCancelledError(ColabPanelError):
    """The work was cancelled at its user's request."""

    status = "cancelled"

    def __init__(self, message: str = "Cancelled.", *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
