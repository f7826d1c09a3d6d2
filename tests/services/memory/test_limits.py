"""Which limit of memory applies: fixtures of both versions of cgroups, real groups, and address-space limits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.services.limits import applying
from colabpanel.services.limits.applying import swap_amount
from colabpanel.services.limits.cgroups import memory_limits
from colabpanel.services.memory import Amount, applying_limit
from colabpanel.services.mounts import mount_of
from tests.memory_groups import memory_group

MB = 1 << 20
GB = 1 << 30
SECOND = "35 28 0:30 {root} {point} rw,nosuid - cgroup2 cgroup2 rw\n"
FIRST = "36 28 0:31 {root} {point} rw,nosuid - cgroup cgroup rw,memory\n"


class Tree:
    """A made-up /proc and /sys/fs/cgroup."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.groups = folder / "proc", folder / "sys fs" / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        self.groups.mkdir(parents=True)

    def mounted(self, line: str, *, root: str = "/", at: str = "") -> None:
        point = str(self.groups / at).replace(" ", "\\040")
        with (self.proc / "self" / "mountinfo").open("a") as file:
            file.write("22 1 0:20 / / rw - ext4 /dev/sda rw\n" + line.format(root=root, point=point))

    def member_of(self, text: str) -> None:
        (self.proc / "self" / "cgroup").write_text(text)

    def group(self, path: str, **files: str) -> None:
        folder = self.groups / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text)

    @property
    def limit(self) -> tuple[Amount | None, str]:
        found = applying_limit(proc=self.proc)
        return found.amount, found.kind


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.setattr(applying, "_machine", lambda: Amount(GB, 100 * GB))
    monkeypatch.setattr(applying, "_process", lambda: None)
    return Tree(tmp_path)


def test_the_second_version_leaves_out_what_can_be_dropped(tree: Tree) -> None:
    tree.mounted(SECOND)
    tree.member_of("0::/\n")
    statistics = "anon 300\nactive_file 100\ninactive_file 150\nfile_dirty 30\nfile_writeback 20\nslab_reclaimable 5\n"
    tree.group("", memory__max="1000\n", memory__current="700\n", memory__stat=statistics)
    assert tree.limit == (Amount(495, 1000), "container")


def test_the_tightest_of_nested_groups_applies(tree: Tree) -> None:
    tree.mounted(SECOND)
    tree.member_of("0::/outer/inner\n")
    tree.group("", memory__max="max\n")
    tree.group("outer", memory__max="1000", memory__current="950")
    tree.group("outer/inner", memory__max="500", memory__current="300")
    assert [(one.used, one.limit) for one in memory_limits(tree.proc)] == [(300, 500), (950, 1000)]
    assert tree.limit == (Amount(950, 1000), "container")


@given(st.lists(st.tuples(st.integers(0, 3000), st.none() | st.integers(1, 3000)), min_size=1, max_size=6))
def test_of_any_groups_the_one_with_the_least_left_applies(groups: list[tuple[int, int | None]]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(applying, "_machine", lambda: Amount(500, 2500))
        patch.setattr(applying, "_process", lambda: None)
        tree, path = Tree(Path(folder)), ""
        tree.mounted(SECOND)
        for used, limit in groups:
            path += "/x"
            tree.group(path[1:], memory__max="max" if limit is None else str(limit), memory__current=str(used))
        tree.member_of(f"0::{path}\n")
        found, kind = tree.limit
    tight = [max(limit - used, 0) for used, limit in groups if limit is not None and limit < 2500]
    assert found is not None
    assert found.left == min([2000, *tight])
    assert kind == ("container" if found.left < 2000 else "machine")


def test_the_first_version(tree: Tree) -> None:
    tree.mounted(FIRST, at="memory")
    tree.member_of("9:cpu,cpuacct:/x\n4:memory:/docker/abc\n")
    tree.group(
        "memory/docker/abc",
        memory__limit_in_bytes="1000",
        memory__usage_in_bytes="600",
        memory__stat="total_inactive_file 100\ntotal_active_file 50\ntotal_dirty 20\n",
    )
    assert tree.limit == (Amount(470, 1000), "container")


def test_groups_of_the_first_version_that_pass_nothing_on_limit_nobody_below(tree: Tree) -> None:
    tree.mounted(FIRST, at="memory")
    tree.member_of("4:memory:/a/b\n")
    limited = {"memory__limit_in_bytes": "1000", "memory__usage_in_bytes": "600"}
    tree.group("memory/a", **limited, memory__use_hierarchy="0")
    tree.group("memory/a/b", memory__limit_in_bytes="9223372036854771712", memory__usage_in_bytes="5")
    assert tree.limit == (Amount(GB, 100 * GB), "machine")


def test_both_versions_at_once(tree: Tree) -> None:
    tree.mounted(FIRST, at="memory")
    tree.mounted(SECOND, at="unified")
    tree.member_of("4:memory:/a\n0::/a\n")
    tree.group("memory/a", memory__limit_in_bytes="1000", memory__usage_in_bytes="600")
    tree.group("unified/a", cgroup__procs="1\n")
    assert tree.limit == (Amount(600, 1000), "container")


def test_a_namespace_of_its_own_hides_the_path(tree: Tree) -> None:
    tree.mounted(SECOND, root="/../..")
    tree.member_of("0::/kubepods/pod/container\n")
    tree.group("", memory__max="1000", memory__current="400")
    assert tree.limit == (Amount(400, 1000), "container")


def test_a_part_of_the_tree_that_is_mounted(tree: Tree) -> None:
    tree.mounted(FIRST, root="/docker/abc", at="memory")
    tree.member_of("4:memory:/docker/abc/job\n")
    tree.group("memory/job", memory__limit_in_bytes="1000", memory__usage_in_bytes="400")
    assert tree.limit == (Amount(400, 1000), "container")


@pytest.mark.parametrize("limit", ["max", "9223372036854771712", "not a number", str(200 * GB)])
def test_a_limit_that_limits_nothing(tree: Tree, limit: str) -> None:
    tree.mounted(SECOND)
    tree.member_of("0::/\n")
    tree.group("", memory__max=limit, memory__current="700")
    assert tree.limit == (Amount(GB, 100 * GB), "machine")


def test_a_container_whose_use_cannot_be_read_is_unknown(tree: Tree) -> None:
    tree.mounted(SECOND)
    tree.member_of("0::/\n")
    tree.group("", memory__max="1000")
    assert tree.limit == (None, "container")


def test_nothing_that_can_be_read(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.member_of("nonsense\n")
    monkeypatch.setattr(applying, "_machine", lambda: None)
    assert tree.limit == (None, "machine")


def test_swap_of_a_container(tree: Tree) -> None:
    (tree.proc / "meminfo").write_text("SwapTotal:  100 kB\nSwapFree:  60 kB\n")
    tree.mounted(SECOND)
    tree.member_of("0::/\n")
    tree.group("", memory__swap__max="1024", memory__swap__current="24")
    assert swap_amount(proc=tree.proc) == Amount(24, 1024)
    (tree.groups / "memory.swap.current").unlink()
    assert swap_amount(proc=tree.proc) is None
    (tree.groups / "memory.swap.max").write_text("0")
    assert swap_amount(proc=tree.proc) == Amount(0, 0)


TELL = """
import json
from colabpanel.services.limits.applying import applying_limit
found = applying_limit()
print(json.dumps([found.kind, found.amount.used, found.amount.total]))
"""


GROW = "held = bytearray(100 << 20)\nfor i in range(0, len(held), 4096): held[i] = 1\n"


def _told_in(group: Path, code: str) -> list[Any]:
    """Return what a process tells that has joined a group before it runs this code."""
    join = f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(__import__('os').getpid()))\n"
    done = subprocess.run([sys.executable, "-c", join + code + TELL], capture_output=True, text=True, check=True)
    told: list[Any] = json.loads(done.stdout)
    return told


def test_a_real_group_is_the_limit_of_who_is_in_it() -> None:
    with memory_group(300 * MB) as group:
        kind, used, total = _told_in(group, GROW)
    assert (kind, total // MB) == ("container", 300)
    assert 100 * MB < used < 200 * MB


def test_a_real_group_limits_those_in_the_groups_below_it() -> None:
    with memory_group(300 * MB) as group:
        inner = group / "inner"
        inner.mkdir()
        try:
            (inner / "memory.limit_in_bytes").write_text(str(400 * MB))
            kind, used, total = _told_in(inner, GROW)
        finally:
            inner.rmdir()
    assert (kind, total // MB) == ("container", 300)
    assert 100 * MB < used < 200 * MB


def test_files_that_a_real_group_has_read_do_not_count(tmp_path: Path) -> None:
    if mount_of(tmp_path)[1] == "tmpfs":
        pytest.skip("files lie in memory here")
    write = (
        f"import os\nwith open({str(tmp_path / 'file')!r}, 'wb') as file:\n"
        "    file.write(bytes(1 << 20) * 100)\n    os.fsync(file.fileno())\n"
    )
    with memory_group(300 * MB) as group:
        kind, used, _ = _told_in(group, write)
        assert int((group / "memory.max_usage_in_bytes").read_text()) > 100 * MB
    assert kind == "container"
    assert used < 60 * MB


def test_systems_other_than_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "LINUX", False)
    swap = psutil.swap_memory()
    assert swap_amount() == Amount(swap.used, swap.total)
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    found = applying_limit(proc=Path("/nowhere"))
    assert found.kind == "machine"

    def refuse() -> None:
        raise RuntimeError("not told")

    monkeypatch.setattr(psutil, "swap_memory", refuse)
    assert swap_amount() is None


@pytest.mark.skipif(not psutil.LINUX, reason="address-space limits are kept to on Linux")
def test_a_limit_of_the_address_space() -> None:
    limited = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
    vms = "import psutil\nprint(psutil.Process().memory_info().vms)\n"
    done = subprocess.run([sys.executable, "-c", limited + TELL + vms], capture_output=True, text=True, check=True)
    told, size = done.stdout.splitlines()
    kind, used, total = json.loads(told)
    assert (kind, total) == ("process", 4 * GB)
    assert abs(used - int(size)) < 64 * MB
