"""``colabpanel checkpoints list``, ``show``, ``compare``, ``prune``, ``verify`` and ``export``."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

from colabpanel import words
from colabpanel.cli.terminal import run
from colabpanel.services.checkpoints.catalog import checkpoints, prune_checkpoints, verify_checkpoints
from colabpanel.services.checkpoints.comparing import checkpoint_contents, compare_checkpoints
from colabpanel.services.checkpoints.exporting import export_checkpoint
from colabpanel.services.checkpoints.models import Checkpoint

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to a parser."""
    parser = commands.add_parser("checkpoints", help="look after folders of checkpoints")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = _action(actions, "list", _list, "the checkpoints in a folder, oldest first, whoever wrote them")
    _add_monitor(add, "mark the best by this metric")
    add = _action(actions, "show", _show, "what a checkpoint holds, without loading it")
    _add_which(add, "which")
    add = _action(actions, "compare", _compare, "how two checkpoints differ")
    _add_which(add, "first", "second")
    add = _action(actions, "prune", _prune, "delete what is neither among the best nor the newest nor pinned")
    _add_monitor(add, "(default: %(default)s)", default="val_accuracy")
    add.add_argument("--keep-best", type=int, default=1, metavar="N", help="(default: %(default)s)")
    add.add_argument("--keep-last", type=int, default=3, metavar="N", help="(default: %(default)s)")
    _action(actions, "verify", _verify, "read all files and compare them with what was saved")
    add = _action(actions, "export", _export, "write the weights of a checkpoint as a safetensors file")
    _add_which(add, "which")
    add.add_argument("target", metavar="FILE")
    add.add_argument("--dtype", choices=["float16", "bfloat16", "float32"], help="convert to this type")


def _add_monitor(parser: argparse.ArgumentParser, words_for_it: str, default: str | None = None) -> None:
    parser.add_argument("--monitor", metavar="METRIC", default=default, help=words_for_it)
    parser.add_argument("--mode", choices=["auto", "min", "max"], default="auto")


def _add_which(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        parser.add_argument(name, metavar=name.upper(), help="a name, a step, last, or best by --monitor")
    _add_monitor(parser, "the metric that tells which is best")


def _action(actions: Any, name: str, work: Any, words_for_it: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=words_for_it)
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.set_defaults(run=work)
    return parser


def _best_by(parsed: argparse.Namespace) -> dict[str, Any]:
    return {"monitor": parsed.monitor, "mode": parsed.mode}


def _list(parsed: argparse.Namespace) -> dict[str, Any]:
    found = run(lambda progress: checkpoints(parsed.directory, **_best_by(parsed), progress=progress))
    message = f"{words.plural(len(found), 'checkpoint')} in {parsed.directory}."
    told = [_told(one) for one in found]
    return {"status": "ok", "message": message, "lines": [f"  {_line(one)}" for one in found], "checkpoints": told}


def _told(one: Checkpoint) -> dict[str, Any]:
    return {**asdict(one), "metrics": dict(one.metrics), "path": str(one.path)}


def _line(one: Checkpoint) -> str:
    step = "" if one.step is None else f"step {one.step:,}"
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in sorted(one.metrics.items())[:4])
    marks = " ".join(word for word, is_so in (("best", one.is_best), ("pinned", one.is_pinned)) if is_so)
    when = words.age(max(time.time() - one.created, 0))
    parts = [one.kind, step, metrics, words.size(one.size), when, marks, " ".join(one.tags)]
    return f"{one.name}: {', '.join(part for part in parts if part)}"


def _show(parsed: argparse.Namespace) -> dict[str, Any]:
    found = run(
        lambda progress: checkpoint_contents(parsed.directory, parsed.which, **_best_by(parsed), progress=progress)
    )
    lines = [
        f"  {tensor.part}: {tensor.name}: {tensor.dtype}, {' x '.join(map(str, tensor.shape)) or 'one number'}"
        for tensor in found.tensors
    ]
    parameters = "" if found.parameters is None else f", {found.parameters:,} parameters"
    return {
        "status": "partial" if found.unread else "ok",
        "message": f"{_line(found.checkpoint)}{parameters}.",
        "lines": lines,
        "checkpoint": _told(found.checkpoint),
        "parameters": found.parameters,
        "tensors": [asdict(tensor) for tensor in found.tensors],
        "skipped": [list(pair) for pair in found.unread],
    }


def _compare(parsed: argparse.Namespace) -> dict[str, Any]:
    found = run(
        lambda progress: compare_checkpoints(
            parsed.directory, parsed.first, parsed.second, **_best_by(parsed), progress=progress
        )
    )
    lines = [f"  {name}: {first} and {second}" for name, first, second in found.changed]
    lines += [f"  only in the first: {name}" for name in found.only_first]
    lines += [f"  only in the second: {name}" for name in found.only_second]
    lines += [f"  {name}: {first} and {second}" for name, (first, second) in found.metrics.items()]
    return {
        "status": "ok",
        "message": f"{words.plural(found.same, 'tensor')} of the same shape and type, "
        f"{words.count(len(found.changed) + len(found.only_first) + len(found.only_second))} others.",
        "lines": lines,
        "same": found.same,
        "changed": [list(one) for one in found.changed],
        "only_first": list(found.only_first),
        "only_second": list(found.only_second),
        "parameters": [found.first.parameters, found.second.parameters],
        "metrics": {name: list(pair) for name, pair in found.metrics.items()},
    }


def _prune(parsed: argparse.Namespace) -> dict[str, Any]:
    deleted = run(
        lambda progress: prune_checkpoints(
            parsed.directory,
            **_best_by(parsed),
            keep_best=parsed.keep_best,
            keep_last=parsed.keep_last,
            progress=progress,
        )
    )
    message = f"Deleted {words.plural(len(deleted), 'checkpoint')} in {parsed.directory}."
    return {"status": "ok", "message": message, "lines": [f"  {name}" for name in deleted], "deleted": deleted}


def _verify(parsed: argparse.Namespace) -> dict[str, Any]:
    found = run(lambda progress: verify_checkpoints(parsed.directory, progress=progress))
    wrong = [one for one in found if one.status != "ok"]
    message = f"{words.plural(len(found), 'checkpoint')}, " + (
        f"{len(wrong)} not as saved." if wrong else "all as saved."
    )
    lines = [f"  {one.name}: {one.problem}" for one in wrong]
    told = [asdict(one) for one in found]
    return {"status": "partial" if wrong else "ok", "message": message, "lines": lines, "checkpoints": told}


def _export(parsed: argparse.Namespace) -> dict[str, Any]:
    found = run(
        lambda progress: export_checkpoint(
            parsed.directory, parsed.which, parsed.target, dtype=parsed.dtype, **_best_by(parsed), progress=progress
        )
    )
    message = f"Exported {words.plural(found.tensors, 'tensor')}, {words.size(found.size)}, to {found.path}."
    if found.overflowed:
        message += f" Numbers in {words.plural(found.overflowed, 'tensor')} are too large for it, and infinite now."
    status = "partial" if found.overflowed else "ok"
    return {"status": status, "message": message, **asdict(found), "path": str(found.path)}
