"""The first page of a folder of 100,000 files: on a local disk, and on a mounted one that is slow, beside peers.

Run it with ``make bench ONLY=browsing``. The mounted folder needs FUSE and ``mfusepy``; it is made up, and each look at
one of its entries takes 5 ms. What is made is removed afterwards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from colabpanel.errors import ColabPanelError
from colabpanel.services.browsing.listing import list_page
from colabpanel.services.browsing.models import Query, SortKey
from tests.faulty_fs import why_not
from tests.slow_folders import Slow, slow_folder

FIRST, HUNG = 0.3, 5.0
LOOKING = 0.005
PATIENCE = 30.0


def first_page(folder: Path, sort: SortKey = "name") -> int:
    """Show the first page, as a click does; returns how many entries the folder has."""
    return list_page(folder, Query(sort=sort)).matching


def names_alone(folder: Path) -> int:
    """Read the names and sort them: the least that anybody has to do."""
    with os.scandir(folder) as entries:
        return len(sorted(entry.name for entry in entries))


def as_choosers_do(folder: Path) -> int:
    """Do what ipyfilechooser and most file dialogs do: sort the names, and look at every one of them."""
    names = sorted(os.listdir(folder))
    started = time.perf_counter()
    for number, name in enumerate(names):
        os.path.isdir(folder / name)
        if time.perf_counter() - started > PATIENCE:
            return number
    return len(names)


def seconds(work: Callable[[Path], int], folder: Path, runs: int) -> tuple[float, int]:
    """Return the median of some runs, and what the last one counted."""
    taken, found = [], 0
    for _ in range(runs):
        started = time.perf_counter()
        found = work(folder)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken), found


def tell(what: str, taken: float, found: int, limit: float | None = None) -> None:
    """Print a line of the table."""
    judged = "" if limit is None else f"   {'ok' if taken < limit else 'TOO SLOW'} (under {limit:g} s)"
    print(f"  {what:46} {taken:7.3f} s   {found:>9,} entries{judged}")


def local(count: int, runs: int) -> None:
    """Measure on a local disk."""
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-") as made:
        folder = Path(made)
        for number in range(count):
            (folder / f"{number:06}.jpg").touch()
        print(f"{count:,} files on a local disk")
        tell("first page by name", *seconds(first_page, folder, runs), FIRST)
        tell("first page by size (each is looked at)", *seconds(lambda path: first_page(path, "size"), folder, runs))
        first = list_page(folder)
        turned = seconds(lambda path: list_page(path, Query(page=999), earlier=first).matching, folder, runs)
        tell("turning to another page", *turned, FIRST)
        tell("peer: names alone, sorted, no child process", *seconds(names_alone, folder, runs))
        tell("peer: sort, then look at each", *seconds(as_choosers_do, folder, 1))


def mounted(count: int, runs: int) -> None:
    """Measure on a mounted folder whose entries are slow to look at, then one that hangs."""
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-") as made:
        print(f"{count:,} files on a mount, {LOOKING * 1000:.0f} ms for each look")
        with slow_folder(Path(made) / "slow", Slow(files=count, looking=LOOKING)) as slow:
            peer = seconds(names_alone, slow.path, runs)
            tell("peer: names alone, sorted, no child process", *peer)
            ours = seconds(first_page, slow.path, runs)
            tell("first page by name", *ours)
            print(f"    of which this file system takes {peer[0]:.2f} s for names alone")
            tell(
                "first page by size (cut in time)", *seconds(lambda path: first_page(path, "size"), slow.path, 1), HUNG
            )
            tell(f"peer: sort, then look at each (stopped at {PATIENCE:.0f} s)", *seconds(as_choosers_do, slow.path, 1))
        with slow_folder(Path(made) / "hung", Slow(files=10, hangs=True)) as slow:
            started = time.perf_counter()
            try:
                first_page(slow.path / "folder0")
            except ColabPanelError as error:
                tell(f"a hung mount: {error.message}", time.perf_counter() - started, 0, HUNG)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    local(chosen.files, chosen.runs)
    if why_not():
        print(f"no mounted folder: {why_not()}")
    else:
        mounted(chosen.files, chosen.runs)


if __name__ == "__main__":
    main()
