"""What names a file, whether a path, an address or a place on a remote, becomes what opens it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from colabpanel.errors import InputError
from colabpanel.services.remotes.permission import VARIABLE
from colabpanel.services.remotes.resolving import resolve
from colabpanel.services.sources.spec import SourceSpec, open_source
from tests.archives import write_tree
from tests.fakes import FakeHost


@pytest.mark.parametrize("path", ["/content/a.zip", "a.zip", "./box:a.zip", Path("box:a.zip"), "C:\\data\\a.zip"])
def test_paths_stay_paths(host: FakeHost, path: str | Path) -> None:
    assert resolve(path, host=host) == Path(path)


def test_addresses_are_read_where_they_lead(host: FakeHost) -> None:
    found = resolve("https://host/a.zip", host=host)
    assert isinstance(found, SourceSpec)
    assert (found.kind, found.url) == ("http", "https://host/a.zip")


def test_remotes_are_read_through_rclone(host: FakeHost, box: Path) -> None:
    write_tree(box, {"a b.zip": b"abc"})
    found = resolve("box:a b.zip", host=host)
    assert isinstance(found, SourceSpec)
    assert (found.shown, found.name) == ("box:a b.zip", "a b.zip")
    with closing(open_source(found)) as source:
        assert source.read(0, 9) == b"abc"
    with pytest.raises(InputError, match="no remote called nothing"):
        resolve("nothing:a.zip", host=host)


def test_a_dashboard_reads_from_remotes_that_were_named(
    host: FakeHost, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(box, {"a.zip": b"abc"})
    host.is_served = True
    with pytest.raises(InputError, match="may not use a remote called box"):
        resolve("box:a.zip", host=host)
    monkeypatch.setenv(VARIABLE, "box")
    assert isinstance(resolve("box:a.zip", host=host), SourceSpec)
