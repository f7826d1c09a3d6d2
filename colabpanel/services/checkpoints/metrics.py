"""Which metric is monitored, whether more of it is better, and which checkpoint is best."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol, TypeVar

from colabpanel.errors import InputError

__all__ = ["Judged", "Mode", "best_first", "insist_on", "mode_of", "named_like", "plain_metrics"]

Mode = Literal["min", "max"]


class Judged(Protocol):
    """What metrics tell something of."""

    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def created(self) -> float: ...


J = TypeVar("J", bound=Judged)

_PREFIXES = {
    "val": "val",
    "eval": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "train": "",
    "training": "",
}
_WORDS = {"acc": "accuracy", "perplexity": "ppl", "lr": "learning_rate"}
_KINDS = ("sparse_categorical", "categorical", "binary", "sparse_top_k_categorical", "top_k_categorical")
_MORE_IS_BETTER = (
    *("accuracy", "auc", "auroc", "f1", "fbeta", "precision", "recall", "score", "r2", "iou", "dice", "jaccard"),
    *("bleu", "rouge", "meteor", "map", "mrr", "ndcg", "psnr", "ssim", "correlation", "kappa", "mcc", "reward"),
    *("specificity", "sensitivity", "similarity", "top1", "top5", "correct", "hits"),
)
_LESS_IS_BETTER = (
    *("loss", "error", "err", "mse", "mae", "rmse", "mape", "msle", "ppl", "wer", "cer", "nll", "crossentropy"),
    *("divergence", "distance", "fid", "bpc", "brier", "cost", "latency", "entropy"),
)
_LOSSES = {"loss", "error", "err"}
_NEGATED = {"neg", "negative", "minus"}


def mode_of(metric: str, mode: str) -> Mode:
    """Return whether more or less of a metric is better.

    Args:
        metric: Its name.
        mode: ``min`` or ``max``; ``auto`` decides by the name.

    Raises:
        InputError: ``mode`` is none of these, or the name does not tell.
    """
    if mode in {"min", "max"}:
        return "min" if mode == "min" else "max"
    if mode != "auto":
        raise InputError(f"mode cannot be {mode!r}.", hint='Write mode="max", "min" or "auto".')
    words = _normal(metric).split("_")
    kinds = [found for word in words if (found := _kind_of(word))]
    if not kinds or (len(set(kinds)) > 1 and words[-1] not in _LOSSES):
        raise InputError(
            f"Whether more of {metric!r} is better or less of it cannot be told from its name.",
            hint='Write mode="max" or mode="min".',
        )
    kind: Mode = "min" if words[-1] in _LOSSES else kinds[0]  # a dice_loss is a loss
    if _NEGATED & set(words[:2]):  # as scikit-learn's neg_mean_squared_error
        return "min" if kind == "max" else "max"
    return kind


def _kind_of(word: str) -> Mode | None:
    """Return whether more or less is better of what a word means; None if it means neither."""
    if word in _LESS_IS_BETTER or word in _MORE_IS_BETTER:
        return "min" if word in _LESS_IS_BETTER else "max"
    less, more = word.endswith(_LESS_IS_BETTER), word.startswith(_MORE_IS_BETTER)
    return None if less == more else "min" if less else "max"


def _normal(name: str) -> str:
    """Return a name as all libraries might write it."""
    parts = [_WORDS.get(part, part) for part in re.split(r"[\W_]+", name.lower()) if part]
    if parts and parts[0] in _PREFIXES:
        parts[:1] = [_PREFIXES[parts[0]]] if _PREFIXES[parts[0]] else []
    return "_".join(parts)


def _plainer(name: str) -> str:
    """Return a normal name without the kind of accuracy or loss that it is."""
    for kind in _KINDS:
        name = name.replace(f"{kind}_accuracy", "accuracy")
    return name


def named_like(metric: str, among: Iterable[str]) -> str | None:
    """Return the name among these that means a metric: itself, or one that other libraries use for it.

    ``val_acc``, ``eval_accuracy`` and ``val/acc`` are ``val_accuracy``, and so is ``val_binary_accuracy`` if it is the
    only accuracy. Training's ``accuracy`` is another metric.
    """
    names = list(among)
    if metric in names:
        return metric
    for rule in (_normal, lambda name: _plainer(_normal(name))):
        found = [name for name in names if rule(name) == rule(metric)]
        if len(found) == 1:
            return found[0]
    return None


def insist_on(metric: str, among: Iterable[str]) -> str:
    """Return the name among these that means a metric.

    Raises:
        InputError: There is none; the hint lists those that exist.
    """
    names = sorted(among, key=lambda name: (not _normal(name).startswith("val"), "epoch" in name, name))
    found = named_like(metric, names)
    if found is not None:
        return found
    close = difflib.get_close_matches(metric, names, 1)
    wanted = f'Write monitor="{close[0] if close else names[0]}".' if names else "Pass metrics= when saving."
    raise InputError(
        f"There is no metric called {metric!r}.", hint=f"There are: {', '.join(names) or 'none'}. {wanted}"
    )


def plain_metrics(metrics: Mapping[str, object] | None) -> dict[str, float]:
    """Return metrics as plain numbers; tensors and arrays of one number are taken, anything else is left out.

    Numbers that are not finite are left out, too: no rule can compare them.
    """
    found = {}
    for name, value in (metrics or {}).items():
        try:
            number = float(value.item() if hasattr(value, "item") else value)  # type: ignore[arg-type]
        except (TypeError, ValueError, RuntimeError):
            continue
        if math.isfinite(number):
            found[str(name)] = number
    return found


def best_first(records: Iterable[J], monitor: str, mode: Mode) -> list[J]:
    """Return those that have the metric, best first; of equals the earlier one."""
    sign = 1 if mode == "min" else -1
    judged = [
        (record.metrics[name] * sign, record) for record in records if (name := named_like(monitor, record.metrics))
    ]
    return [record for _, record in sorted(judged, key=lambda pair: (pair[0], pair[1].created))]
