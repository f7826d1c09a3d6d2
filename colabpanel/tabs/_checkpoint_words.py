"""How the Checkpoints tab puts checkpoints into words."""

from __future__ import annotations

import time
from collections.abc import Iterable

from colabpanel import words
from colabpanel.services.checkpoints.comparing import CheckpointContents, Comparison
from colabpanel.services.checkpoints.metrics import named_like
from colabpanel.services.checkpoints.models import Checkpoint, Restored, TensorInfo, VerifiedCheckpoint
from colabpanel.widgets.data_table import Cell
from colabpanel.widgets.line_chart import Point

__all__ = [
    "checkpoint_row",
    "checkpoint_title",
    "comparison_rows",
    "contents_rows",
    "metric_names",
    "point_of",
    "restore_code",
    "said_of_restored",
    "said_of_verified",
]

_DOT = " \N{MIDDLE DOT} "
_LONG = 34
_RANDOM = "random numbers of "
_PLACES = {
    ("local",): Cell("here", full="In this folder; on no other disk that is known"),
    ("mirror",): Cell("on the mirror", "ok"),
    ("local", "mirror"): Cell("here and on the mirror", "ok"),
}


def metric_names(rows: Iterable[Checkpoint]) -> list[str]:
    """Return the metrics that checkpoints have, those of validation first."""
    names = dict.fromkeys(name for row in rows for name in row.metrics)
    return sorted(names, key=lambda name: (not name.startswith(("val", "eval", "valid")), name))


def checkpoint_row(row: Checkpoint, metric: str | None) -> list[str | Cell]:
    """Return the row of a checkpoint."""
    name = row.name if len(row.name) <= _LONG else f"{row.name[: _LONG - 3]}..."
    marks = [word for word, is_so in (("best", row.is_best), ("pinned", row.is_pinned)) if is_so]
    title = Cell(_DOT.join([name, *marks, *row.tags]), "ok" if row.is_best else "", full=row.name)
    place = _PLACES[row.places] if row.kind == "colabpanel" else Cell(f"by {row.kind}")
    age = max(time.time() - row.created, 0)
    step = "" if row.step is None else Cell(words.count(row.step), number=row.step)
    epoch = "" if row.epoch is None else Cell(f"{row.epoch:g}", number=row.epoch)
    size, when = Cell(words.size(row.size), number=row.size), Cell(words.age(age), number=age)
    return [title, step, epoch, _value(row, metric), size, when, place]


def _value(row: Checkpoint, metric: str | None) -> str | Cell:
    name = named_like(metric, row.metrics) if metric else None
    return "" if name is None else Cell(f"{row.metrics[name]:.5g}", number=row.metrics[name])


def checkpoint_title(row: Checkpoint) -> str:
    """Name a checkpoint in a list to choose from."""
    marks = [word for word, is_so in (("best", row.is_best), ("pinned", row.is_pinned)) if is_so]
    return _DOT.join([row.name, *marks, *row.tags, words.size(row.size)])


def point_of(row: Checkpoint, metric: str) -> Point | None:
    """Return where a checkpoint stands in the chart, if it has the metric and a step or epoch."""
    name = named_like(metric, row.metrics)
    place = row.step if row.step is not None else row.epoch
    if name is None or place is None:
        return None
    return Point(place, row.metrics[name], f"{row.name}: {row.metrics[name]:.5g}", is_best=row.is_best)


def contents_rows(found: CheckpointContents) -> list[list[str | Cell]]:
    """Return what is in a checkpoint, the largest tensors first."""
    checkpoint = found.checkpoint
    rows: list[list[str | Cell]] = [
        ["Checkpoint", checkpoint.name, ""],
        ["Parameters", _count(found.parameters), ""],
        ["Size", words.size(checkpoint.size), ""],
    ]
    rows += [[name, f"{value:.5g}", ""] for name, value in sorted(checkpoint.metrics.items())]
    rows += [[Cell(name, "warning"), Cell("not told", full=reason), ""] for name, reason in found.unread]
    ranked = sorted(found.tensors, key=lambda tensor: (tensor.part != "model", -tensor.numbers))
    return rows + [[_tensor_name(tensor), _tensor(tensor), ""] for tensor in ranked]


def _tensor_name(tensor: TensorInfo) -> Cell:
    full = f"{tensor.part}: {tensor.name}"
    return Cell(full if len(full) <= _LONG else f"{full[: _LONG - 3]}...", full=full)


def _tensor(tensor: TensorInfo) -> str:
    return f"{tensor.dtype} {' x '.join(map(str, tensor.shape))}".strip()


def _count(number: int | None) -> str:
    return "not known" if number is None else words.count(number)


def comparison_rows(found: Comparison) -> list[list[str | Cell]]:
    """Return how two checkpoints differ."""
    first, second = found.first, found.second
    rows: list[list[str | Cell]] = [
        ["Checkpoint", first.checkpoint.name, second.checkpoint.name],
        ["Parameters", _count(first.parameters), _count(second.parameters)],
        ["Size", words.size(first.checkpoint.size), words.size(second.checkpoint.size)],
        ["Same shape and type", words.plural(found.same, "tensor"), ""],
    ]
    for name, (one, two) in sorted(found.metrics.items()):
        change = "" if one is None or two is None else f" ({two - one:+.4g})"
        rows.append([name, _metric(one), _metric(two) + change])
    rows += [[Cell(name, "warning"), one, two] for name, one, two in found.changed]
    rows += [[Cell(name, "warning"), "has it", "has not"] for name in found.only_first]
    rows += [[Cell(name, "warning"), "has not", "has it"] for name in found.only_second]
    return rows


def _metric(value: float | None) -> str:
    return "none" if value is None else f"{value:.5g}"


def said_of_restored(restored: Restored, variable: str) -> tuple[str, str]:
    """Say what restoring has done, and what is left to do."""
    random = [what.removeprefix(_RANDOM) for what in restored.restored if what.startswith(_RANDOM)]
    parts = [what for what in restored.restored if not what.startswith(_RANDOM)]
    parts += [f"{_RANDOM}{', '.join(random)}"] if random else []
    sentence = f"Restored {', '.join(parts)} from {restored.checkpoint.name} into {variable}."
    left = "; ".join(f"{what}: {why}" for what, why in restored.not_restored[:4])
    damaged = "; ".join(f"{name} is damaged: {why}" for name, why in restored.damaged)
    return sentence, " ".join(part for part in (damaged, f"Not restored: {left}." if left else "") if part)


def said_of_verified(found: list[VerifiedCheckpoint]) -> tuple[str, str, str]:
    """Return the kind of message, the sentence, and what is wrong."""
    wrong = [one for one in found if one.status != "ok"]
    copies = words.plural(len(found), "copy", "copies")
    if not wrong:
        return "ok", f"{copies} of checkpoints: all files are what was saved.", ""
    details = "\n".join(f"{one.name} ({one.place}): {one.problem}" for one in wrong)
    return "warning", f"{words.count(len(wrong))} of {copies} of checkpoints are not what was saved.", details


def restore_code(row: Checkpoint | None, variable: str) -> list[str]:
    """Return the code that restores a checkpoint."""
    if row is None:
        return ["import colabpanel", "", 'checkpoints = colabpanel.Checkpoints("checkpoints", monitor="val_loss")']
    folder, filled = str(row.path.parent), f"globals().get({variable!r})"  # it may be none yet
    if row.kind == "colabpanel":
        return [
            "import colabpanel",
            "",
            f"checkpoints = colabpanel.Checkpoints({folder!r})",
            f"restored = checkpoints.restore({filled}, which={row.name!r})",
            f"{variable} = restored.model",
        ]
    return [
        "import colabpanel",
        "",
        f"restored = colabpanel.restore_checkpoint({folder!r}, {row.name!r}, {filled})",
        f"{variable} = restored.model",
    ]
