"""How fast `colabpanel.stage` unpacks, side by side with the tools that people use.

    python benchmarks/staging.py A B C small scale busy slow --runs 5
    python benchmarks/staging.py A --scale 0.05 --runs 1 --only-peers zipfile "C +"
    python benchmarks/staging.py --install

Every run gets a file system of its own, and the peers take turns. Peers that are called from Python, ours too, are
measured in a process that runs already, programs from their start to their end. The first run makes the archives
(7 GB). Memory is that of the whole process tree, once with and once without the pages that are mapped from files.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import peers as known
import scenarios
from measure import Sample, Target, measure
from peers import OURS, PROGRAM, REFERENCE, UNZIP, Peer
from worksets import WorkSet, prepare

SETS = ("A", "B", "C", "small", "scale", "busy", "slow")
MB = 1_000_000
TARGETS = "ext4 (a new image in memory for every run), ext4-disk (in the cache), or a folder; auto takes what works"
SMALL_TOOL = 200 * MB  # a tool that takes more memory is shown, but not the one to beat
TITLES = {
    "A": "A: small photographs, stored and deflated",
    "B": "B: compressible files of 20-60 KB",
    "C": "C: eight big files, half compressible",
    "small": "small: the first 1,000 files of A",
    "10k": "10,000 files of A",
    "300k": "300,000 files of A",
}


@dataclass(frozen=True)
class Row:
    """The figures of one peer on one set: seconds, bytes, or why there are none."""

    peer: str
    kind: str
    seconds: float = 0
    fastest: float = 0
    slowest: float = 0
    peak: int = 0
    private: int = 0
    problem: str = ""


Table = dict[str, Row]


def main() -> None:
    """Run the chosen sets and print their tables."""
    options = _options()
    cache = Path(options.cache)
    if options.install:
        known.install(cache)
        if not options.sets:
            return
    target = Target(options.target, cache, options.patience)
    print(f"target: {target.choice}; runs: {options.runs}; scale: {options.scale:g}")
    found: dict[str, Any] = {}
    for name in options.sets or SETS:
        if name == "busy":
            found[name] = scenarios.busy(prepare("A", cache, options.scale), target, options.runs)
        elif name == "slow":
            found[name] = scenarios.slow(prepare("A", cache, options.scale), target, cache, options.runs)
        elif name == "scale":
            tables = {part: _table(part, options, cache, target, few=True) for part in ("10k", "300k")}
            found.update({part: [asdict(row) for row in table.values()] for part, table in tables.items()})
            _judge_scale(tables, cache, options.scale)
        else:
            table = _table(name, options, cache, target)
            found[name] = [asdict(row) for row in table.values()]
            _judge(name, table)
        if options.json:
            Path(options.json).write_text(json.dumps(found, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"any of {' '.join(SETS)}; all if none is named")
    parser.add_argument("--runs", type=int, default=5, help="of each peer on each set")
    parser.add_argument("--scale", type=float, default=1, help="make the sets smaller: 0.05 is a twentieth")
    parser.add_argument("--only-peers", nargs="+", default=[], metavar="PART", help="those with these in their names")
    parser.add_argument("--workers", type=int, help="passed to colabpanel.stage; its own choice if not given")
    parser.add_argument("--cache", default="build/bench", help="where archives and peers are kept")
    parser.add_argument("--target", default="auto", help=TARGETS)
    parser.add_argument("--patience", type=float, default=10, help="seconds to wait for a quiet machine, before a run")
    parser.add_argument("--install", action="store_true", help="install the peers that can be had, first")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    if unknown := set(options.sets) - set(SETS):
        parser.error(f"no such set: {' '.join(sorted(unknown))}")
    return options


def _table(name: str, options: argparse.Namespace, cache: Path, target: Target, *, few: bool = False) -> Table:
    """Measure a set in rounds, every peer once in each, and print its table."""
    work = prepare(name, cache, options.scale)
    chosen = [peer for peer in known.peers(cache, options.workers) if _wanted(peer, name, options.only_peers, few=few)]
    samples: dict[str, list[Sample]] = {peer.name: [] for peer in chosen}
    for _round in range(options.runs):
        for peer in chosen:
            if not peer.missing and not any(sample.problem for sample in samples[peer.name]):
                samples[peer.name].append(measure(peer, work, target))
    table = {peer.name: _row(peer, samples[peer.name]) for peer in chosen}
    _print_table(name, work, table)
    noisy = sum(not sample.calm for found in samples.values() for sample in found)
    if noisy:
        print(f"  {noisy} of {sum(map(len, samples.values()))} runs began while other processes used the machine")
    return table


def _wanted(peer: Peer, name: str, only: list[str], *, few: bool) -> bool:
    if peer.name == OURS:
        return True
    if peer.name == UNZIP and name != "small":
        return False  # the reference has it
    if few and peer.name not in {REFERENCE, PROGRAM}:
        return False
    return not only or any(part in peer.name for part in only)


def _row(peer: Peer, samples: list[Sample]) -> Row:
    problem = peer.missing or next((sample.problem for sample in samples if sample.problem), "")
    if problem:
        return Row(peer.name, peer.kind, problem=problem)
    seconds = [sample.seconds for sample in samples]
    peak, private = max(sample.peak for sample in samples), max(sample.private for sample in samples)
    return Row(peer.name, peer.kind, statistics.median(seconds), min(seconds), max(seconds), peak, private)


def _print_table(name: str, work: WorkSet, table: Table) -> None:
    print(f"\n{TITLES[name]}: {work.files:,} files, {work.size / MB:,.0f} MB from {work.packed / MB:,.0f} MB")
    print(
        f"{'':24}{'seconds':>8} {'(from - to)':>15} {'to reference':>13} {'ours to it':>11} {'MB':>6} {'unmapped':>9}"
    )
    reference, ours = table.get(REFERENCE), table.get(OURS)
    for row in sorted(table.values(), key=lambda row: (bool(row.problem), row.seconds)):
        if row.problem:
            print(f"{row.peer:24}{row.problem}")
            continue
        span = f"({row.fastest:.2f} - {row.slowest:.2f})"
        gain, lead = ratio(reference, row), ratio(ours, row)
        memory = f"{row.peak / MB:>6.0f} {row.private / MB:>9.0f}"
        print(f"{row.peer:24}{row.seconds:>8.2f} {span:>15} {times(gain):>13} {times(lead):>11} {memory}")


def ratio(upper: Row | None, lower: Row | None) -> float | None:
    """Return how many times the seconds of one the other's are; None where either has none."""
    if upper is None or lower is None or not upper.seconds or not lower.seconds:
        return None
    return upper.seconds / lower.seconds


def times(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.2f}x"


def _judge(name: str, table: Table) -> None:
    """Print which targets of a set are reached."""
    ours, reference, program = (table.get(peer) for peer in (OURS, REFERENCE, PROGRAM))
    if name == "small":
        unzip = table.get(UNZIP)
        behind = (ours.seconds - unzip.seconds) * 1000 if ours and unzip and ratio(ours, unzip) else None
        scenarios.target("milliseconds behind unzip alone", behind, at_most=20, unit=" ms")
        return
    gain = {"A": 3.0, "B": 5.0, "C": 3.5}[name]
    scenarios.target("faster than cp + unzip", ratio(reference, ours), at_least=gain)
    if name == "A":
        tools = sorted((row for row in table.values() if row.kind == "tool" and row.seconds), key=_seconds)
        small = next((row for row in tools if row.peak < SMALL_TOOL), None)
        label = f"faster than the best tool under 200 MB ({small.peer if small else 'none'})"
        scenarios.target(label, ratio(small, ours), at_least=1.4)
        if tools and tools[0] is not small:
            print(f"  faster than the best tool of any size ({tools[0].peer}): {times(ratio(tools[0], ours))}")
    if name in {"A", "B"}:
        scenarios.target("as long as the C program", ratio(ours, program), at_most={"A": 1.4, "B": 1.25}[name])
    else:
        raw = min((row for row in table.values() if row.kind == "raw" and row.seconds), key=_seconds, default=None)
        scenarios.target(f"as long as {raw.peer if raw else 'raw writes'}", ratio(ours, raw), at_most=1.1)


def _seconds(row: Row) -> float:
    return row.seconds


def _judge_scale(tables: dict[str, Table], cache: Path, scale: float) -> None:
    """Print what a file costs in a small and in a big archive, and the memory that the big one took."""
    for peer in tables["300k"]:
        rows = {part: tables[part][peer] for part in tables}
        if any(row.problem for row in rows.values()):
            continue
        costs = {part: row.seconds / prepare(part, cache, scale).files * 1e6 for part, row in rows.items()}
        growth = (costs["300k"] / costs["10k"] - 1) * 100
        print(f"{peer}: {costs['10k']:.1f} us a file, then {costs['300k']:.1f} ({growth:+.0f} %)")
        if peer == OURS:
            scenarios.target("growth of the cost per file", growth, at_most=15, unit=" %")
            scenarios.target("peak memory", rows["300k"].peak / MB, at_most=250, unit=" MB")


if __name__ == "__main__":
    main()
