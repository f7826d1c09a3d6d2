"""Remotes are added, checked and forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from colabpanel.errors import HostError, InputError
from colabpanel.services.remotes.configuring import GUIDES, add_remote, check_remote, forget_remote
from colabpanel.services.remotes.service import remotes
from tests.archives import write_tree
from tests.fake_drive_api import TOKEN, FakeDriveApi
from tests.fakes import FakeHost

PRINTED = f"""
Paste the following into your remote machine --->
{json.dumps({"access_token": TOKEN, "token_type": "Bearer", "expiry": "2099-01-01T00:00:00Z"})}
<---End paste
"""


def test_a_remote_is_added_checked_and_forgotten(box: Path, rclone_config: Path, api: FakeDriveApi) -> None:
    api.add("a", b"")
    api.add("b", b"")
    added = add_remote("mine", "drive", PRINTED)
    assert (added.name, added.kind) == ("mine", "drive")
    assert ("mine", "drive") in [(one.name, one.kind) for one in remotes()]
    assert check_remote("mine") == 2
    assert TOKEN in rclone_config.read_text()
    with pytest.raises(InputError, match="a remote called mine already"):
        add_remote("mine", "dropbox", PRINTED)
    forget_remote("mine")
    assert "mine" not in [one.name for one in remotes()]
    assert TOKEN not in rclone_config.read_text()
    with pytest.raises(InputError, match="no remote called mine"):
        forget_remote("mine")


@pytest.mark.parametrize("token", ["", "{}", "{ not json }", '{"access_token": 1}', "[1]", "x" * 30_000])
def test_what_is_no_token_is_not_repeated(box: Path, token: str) -> None:
    with pytest.raises(InputError, match=r"^This is no token\.$"):
        add_remote("mine", "dropbox", token)
    assert "mine" not in [one.name for one in remotes()]


@pytest.mark.parametrize("name", ["", "-x", "a:b", "a b", "x" * 50, "..", "9x"])
def test_names_that_cannot_be(box: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be called that"):
        add_remote(name, "dropbox", PRINTED)


def test_kinds_that_have_no_token(box: Path) -> None:
    with pytest.raises(InputError, match="sftp is not added with a token"):
        add_remote("mine", "sftp", PRINTED)


def test_a_dashboard_sets_nothing_up(box: Path, served: FakeHost) -> None:
    with pytest.raises(HostError, match="does not set up remotes"):
        add_remote("mine", "dropbox", PRINTED, host=served)
    with pytest.raises(HostError, match="does not set up remotes"):
        forget_remote("box", host=served)
    with pytest.raises(InputError, match="may not use"):
        check_remote("box", host=served)


def test_a_check_counts_what_is_at_the_top(box: Path) -> None:
    write_tree(box, {"a": b"", "b/c": b""})
    assert check_remote("box") == 2


def test_each_kind_is_explained() -> None:
    assert {"dropbox", "drive", "s3", "webdav", "sftp"} <= {guide.kind for guide in GUIDES}
    for guide in GUIDES:
        assert guide.steps
        assert any(("rclone authorize" if guide.by_token else "config create NAME") in line for line in guide.code)
