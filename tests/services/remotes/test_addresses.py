"""Addresses, moments, and which remotes a dashboard may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.errors import InputError, PathError
from colabpanel.services.remotes.addresses import mounted_address, parse_remote
from colabpanel.services.remotes.moments import seconds_of
from colabpanel.services.remotes.permission import VARIABLE, granted, insist_on_permission
from colabpanel.services.sources.addresses import is_remote_address

NAMES = st.text(st.sampled_from("abcXYZ019-_"), min_size=2).filter(lambda name: name[0] != "-")
STEPS = st.text(st.characters(exclude_characters="/", exclude_categories=["Cc", "Cs"]), min_size=1).filter(
    lambda step: step not in {".", ".."} and step == step.strip()
)


@pytest.mark.parametrize(
    "text", ["box:", "box:a/b.zip", "My Box:x", "drive:My folder/ü.zip", "a-b_c.d:x", "box:a:b", "c:x", "box:/etc"]
)
def test_addresses(text: str) -> None:
    assert is_remote_address(text)
    assert parse_remote(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "", "a/b", "./a:b", "/tmp/a:b", "https://x.y/z", "s3://bucket/key", "C:\\data", "c:/data", ":sftp,host=x:/etc",
        "box,type=local:/etc", "-x:y", "box", ":local:/etc", "a\nb:c", "{x}:y",
    ],
)  # fmt: skip
def test_no_addresses(text: str) -> None:
    assert not is_remote_address(text)
    with pytest.raises(PathError, match="is no address on a remote"):
        parse_remote(text)


@pytest.mark.parametrize("text", ["box:../x", "box:a/..", "box:a\0b", "box:a\nb", "box:x/../../y"])
def test_addresses_that_lead_elsewhere(text: str) -> None:
    with pytest.raises(PathError, match="cannot hold"):
        parse_remote(text)


@given(name=NAMES, steps=st.lists(STEPS, max_size=4), slashes=st.integers(1, 3))
def test_an_address_is_taken_apart_and_put_together(name: str, steps: list[str], slashes: int) -> None:
    found = parse_remote(f"{name}:" + ("/" * slashes).join(steps))
    assert (found.name, found.path) == (name, "/".join(steps))
    above = parse_remote(f"{name}:")
    assert above.parent is None
    for step in steps:
        here = above.joined(step)
        assert here.parent == above
        assert here.leaf == step
        above = here
    assert above == found


def test_the_top_of_a_machine_is_not_the_top_of_a_remote() -> None:
    assert parse_remote("key:/etc/x").path == "/etc/x"
    assert parse_remote("key:/etc").parent == parse_remote("key:/")
    assert parse_remote("key:/").parent is None
    assert parse_remote("key:/").joined("a").text == "key:/a"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-06-01T12:00:00Z", 1780315200.0),
        ("2026-06-01T12:00:00.500Z", 1780315200.5),
        ("2026-06-01T14:00:00.25+02:00", 1780315200.25),
        ("1970-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("2026-13-01T12:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_moments(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_a_dashboard_uses_what_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert granted() == {}
    insist_on_permission("box", is_served=False, writing=True)
    with pytest.raises(InputError, match="may not use a remote called box"):
        insist_on_permission("box", is_served=True)
    monkeypatch.setenv(VARIABLE, "box, mem:rw,,")
    assert granted() == {"box": False, "mem": True}
    insist_on_permission("box", is_served=True)
    insist_on_permission("mem", is_served=True, writing=True)
    with pytest.raises(InputError, match="may only read from box"):
        insist_on_permission("box", is_served=True, writing=True)


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/content/drive/MyDrive/sets/a b.zip", "drive:sets/a b.zip"),
        ("/content/drive/My Drive/a", "drive:a"),
        ("/content/drive/MyDrive", "drive:"),
        ("/content/drive/Shareddrives/Team/x", "drive:Shared drives/Team/x"),
    ],
)
def test_paths_on_the_mounted_drive_have_addresses(path: str, address: str) -> None:
    assert mounted_address(path, Path("/content/drive")) == address


@pytest.mark.parametrize("path", ["/content/drive", "/content/x", "MyDrive/a", "/content/drive/.Trash/x", ""])
def test_other_paths_have_none(path: str) -> None:
    with pytest.raises(PathError, match="is not in My Drive"):
        mounted_address(path, Path("/content/drive"))
