"""Other kinds of remotes, each served by rclone itself: WebDAV, S3 and SFTP."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from colabpanel.errors import ColabPanelError, PathError, SourceLostError
from colabpanel.progress import Progress
from colabpanel.services.remotes import service
from colabpanel.services.remotes.rclone.control import ask
from colabpanel.services.remotes.rclone.finding import find_rclone
from colabpanel.services.remotes.rclone.store import RcloneStore
from colabpanel.services.sources.spec import open_source
from tests.archives import tree_of, write_tree

KINDS = ("webdav", "s3", "sftp")
_SERVE = {
    "webdav": [],
    "s3": ["--auth-key", "access,secret"],
    "sftp": ["--user", "me", "--pass", "word"],
}
_OPTIONS = {
    "webdav": {"url": "http://{at}", "vendor": "other"},
    "s3": {
        "provider": "Rclone",
        "endpoint": "http://{at}",
        "access_key_id": "access",
        "secret_access_key": "secret",
        "use_multipart_uploads": "false",
    },
    "sftp": {"host": "127.0.0.1", "port": "{port}", "user": "me", "pass": "word"},
}


@contextmanager
def _serving(kind: str, folder: Path) -> Iterator[str]:
    command = [str(find_rclone()), "serve", kind, str(folder), "--addr", "127.0.0.1:0", *_SERVE[kind]]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RCLONE_")}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", env=environment
    ) as server:
        assert server.stderr is not None
        try:
            yield next(found[0] for line in server.stderr if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
        finally:
            server.kill()


@pytest.fixture(params=KINDS)
def there(request: pytest.FixtureRequest, box: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Give a remote of each kind, and the folder that it serves."""
    kind, folder = request.param, tmp_path / "served"
    (folder / "bucket").mkdir(parents=True)
    with _serving(kind, folder) as at:
        port = at.rpartition(":")[2]
        options = {key: value.format(at=at, port=port) for key, value in _OPTIONS[kind].items()}
        opt = {"nonInteractive": True, "obscure": True}
        ask("config/create", {"name": f"far-{kind}", "type": kind, "parameters": options, "opt": opt})
        yield f"far-{kind}", folder
    ask("config/delete", {"name": f"far-{kind}"})


def test_files_go_there_and_back(there: tuple[str, Path], tmp_path: Path) -> None:
    name, folder = there
    data = os.urandom(700_000)
    (tmp_path / "a b.zip").write_bytes(data)
    put = service.put_remote(tmp_path / "a b.zip", f"{name}:bucket/sub/")
    assert put.size == len(data)
    assert tree_of(folder) == {"bucket/sub/a b.zip": data}
    with pytest.raises(PathError, match="is there already"):
        service.put_remote(tmp_path / "a b.zip", f"{name}:bucket/sub/")
    assert [(one.name, one.size) for one in service.list_remote(f"{name}:bucket/sub").entries] == [
        ("a b.zip", len(data))
    ]
    assert service.get_remote(f"{name}:bucket/sub/a b.zip", tmp_path / "back.zip").size == len(data)
    assert (tmp_path / "back.zip").read_bytes() == data
    with closing(open_source(service.remote_source(f"{name}:bucket/sub/a b.zip"))) as source:
        assert source.read(1000, 600_000) == data[1000:600_000]


def test_folders_go_there_and_back(there: tuple[str, Path], tmp_path: Path) -> None:
    name, folder = there
    tree = {"a.txt": b"a", "deep/er/b.bin": os.urandom(1000)}
    write_tree(tmp_path / "set", tree)
    store = RcloneStore(name)
    assert store.put_folder(tmp_path / "set", "bucket/set", Progress()).files == 2
    assert tree_of(folder / "bucket") == {f"set/{path}": data for path, data in tree.items()}
    found = store.get_folder("bucket/set", tmp_path / "back", Progress())
    assert (found.files, found.size) == (2, 1001)
    assert tree_of(tmp_path / "back") == tree


def test_a_server_that_has_gone_is_told(box: Path, tmp_path: Path) -> None:
    with _serving("webdav", tmp_path) as at:
        parameters = {"url": f"http://{at}", "vendor": "other"}
        opt = {"nonInteractive": True}
        ask("config/create", {"name": "gone", "type": "webdav", "parameters": parameters, "opt": opt})
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(ColabPanelError) as caught:
        service.list_remote("gone:")
    assert isinstance(caught.value, SourceLostError)
    assert caught.value.message == "gone does not answer."
    ask("config/delete", {"name": "gone"})
