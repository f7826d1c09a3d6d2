"""rclone as it is, with a configuration of the test's own, and the fake of Drive's API."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from colabpanel.progress import Progress
from colabpanel.services.remotes.drive_api.store import DriveStore
from colabpanel.services.remotes.rclone.daemon import stop_rclone
from tests.fake_drive_api import CERTIFICATE, TOKEN, FakeDriveApi, drive_api, rclone_drive
from tests.fakes import FakeHost


@pytest.fixture(scope="session")
def _api() -> Iterator[FakeDriveApi]:
    with drive_api() as server:
        yield server


@pytest.fixture
def api(_api: FakeDriveApi, monkeypatch: pytest.MonkeyPatch) -> FakeDriveApi:
    """Return a Drive with nothing in it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    _api.empty()
    return _api


@pytest.fixture
def served(tmp_path: Path) -> FakeHost:
    """Return a dashboard."""
    host = FakeHost(tmp_path / "served")
    host.is_served = True
    return host


@pytest.fixture
def drive(api: FakeDriveApi) -> Iterator[DriveStore]:
    """Return our own client of the API, which does not wait between tries."""
    store = DriveStore(lambda: TOKEN, base=api.url, pause=_at_once)
    yield store
    store.close()


def _at_once(_seconds: float, progress: Progress) -> None:
    progress.advance(0)


@pytest.fixture(scope="session")
def box_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("box")


@pytest.fixture(scope="session")
def _environment(
    _api: FakeDriveApi, box_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Give what one rclone for all tests needs: ``box`` is a folder, ``mem`` cannot rename, ``gdrive`` is the fake."""
    config = tmp_path_factory.mktemp("rclone") / "rclone.conf"
    config.write_text(
        f"[box]\ntype = alias\nremote = {box_folder}\n[mem]\ntype = memory\n[key]\ntype = sftp\nhost = h\n"
    )
    with rclone_drive(_api) as environment:
        stop_rclone()
        yield {**environment, "RCLONE_CONFIG": str(config), "NO_PROXY": "127.0.0.1,localhost"}
        stop_rclone()


@pytest.fixture
def rclone_config(_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return rclone's configuration."""
    for name, value in _environment.items():
        monkeypatch.setenv(name, value)
    return Path(_environment["RCLONE_CONFIG"])


@pytest.fixture
def box(rclone_config: Path, box_folder: Path) -> Path:
    """Return the folder behind ``box:``, empty."""
    for entry in box_folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return box_folder
