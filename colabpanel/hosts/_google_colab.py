"""``google.colab``, as published in April 2026: the parts that are used, and what imports them."""

from __future__ import annotations

from typing import Protocol, cast

__all__ = [
    "ColabAuth",
    "ColabDrive",
    "ColabFiles",
    "ColabOutput",
    "ColabRuntime",
    "ColabUserdata",
    "GoogleCredentials",
    "default_credentials",
    "import_auth",
    "import_drive",
    "import_files",
    "import_output",
    "import_runtime",
    "import_userdata",
    "new_request",
]


class ColabDrive(Protocol):
    """The part of ``google.colab.drive`` that is used."""

    def mount(
        self,
        mountpoint: str,
        force_remount: bool = False,  # noqa: FBT001, FBT002 - as published
        timeout_ms: int = 120000,
        readonly: bool = False,  # noqa: FBT001, FBT002 - as published
    ) -> None: ...
    def flush_and_unmount(self, timeout_ms: int = 86400000) -> None: ...


class ColabFiles(Protocol):
    """The part of ``google.colab.files`` that is used."""

    def download(self, filename: str) -> None: ...


class ColabOutput(Protocol):
    """The part of ``google.colab.output`` that is used."""

    def register_callback(self, function_name: str, callback: object) -> None: ...
    def unregister_callback(self, function_name: str) -> None: ...


class ColabUserdata(Protocol):
    """The part of ``google.colab.userdata`` that is used."""

    def get(self, key: str) -> str: ...


class ColabRuntime(Protocol):
    """The part of ``google.colab.runtime`` that is used."""

    def unassign(self) -> None: ...


class ColabAuth(Protocol):
    """The part of ``google.colab.auth`` that is used."""

    def authenticate_user(self, clear_output: bool = True, project_id: str | None = None) -> None: ...  # noqa: FBT001, FBT002 - as published


class GoogleCredentials(Protocol):
    """The part of ``google.auth.credentials.Credentials`` that is used."""

    valid: bool
    token: str | None

    def refresh(self, request: object) -> None: ...


def import_drive() -> ColabDrive:
    from google.colab import drive  # type: ignore[import-not-found]

    return cast("ColabDrive", drive)


def import_files() -> ColabFiles:
    from google.colab import files

    return cast("ColabFiles", files)


def import_output() -> ColabOutput:
    from google.colab import output

    return cast("ColabOutput", output)


def import_userdata() -> ColabUserdata:
    from google.colab import userdata

    return cast("ColabUserdata", userdata)


def import_runtime() -> ColabRuntime:
    from google.colab import runtime

    return cast("ColabRuntime", runtime)


def import_auth() -> ColabAuth:
    from google.colab import auth

    return cast("ColabAuth", auth)


def default_credentials() -> GoogleCredentials:
    """Return what `ColabAuth.authenticate_user` has left for every library of Google."""
    import google.auth  # type: ignore[import-not-found]

    return cast("GoogleCredentials", google.auth.default()[0])


def new_request() -> object:
    """Return what credentials are refreshed with."""
    from google.auth.transport.requests import Request  # type: ignore[import-not-found]

    return cast("object", Request())
