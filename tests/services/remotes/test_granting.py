"""What an operator names on the command line is what a dashboard may use, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from colabpanel.errors import InputError
from colabpanel.services.remotes.granting import check_grants
from colabpanel.services.remotes.permission import VARIABLE, granted


def test_what_is_named_is_granted(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, check_grants(["box", "mem:rw"]))
    assert granted() == {"box": False, "mem": True}


def test_nothing_named_grants_nothing_and_asks_no_rclone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv(VARIABLE, check_grants([]))
    assert granted() == {}


@pytest.mark.parametrize(("grant", "message"), [("none", "no remote called none"), ("box:write", "not named as box")])
def test_what_cannot_be_granted(box: Path, grant: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_grants(["box", grant])
