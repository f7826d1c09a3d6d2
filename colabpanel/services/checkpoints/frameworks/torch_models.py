"""Modules of PyTorch: their state dictionaries as PyTorch's own files, which load without running code."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from colabpanel.errors import ArchiveError, InputError, TrustError
from colabpanel.services.checkpoints.frameworks._base import Outcome, Parts, reason_of
from colabpanel.services.checkpoints.frameworks.torch_buffers import Buffers

__all__ = ["TorchModels", "fill_model", "insist_on_fit", "is_torch", "read_state", "unwrapped"]

_MODEL, _TRAINING = "model.pt", "training.pt"
_EXACT = {bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.Size, torch.device}


def is_torch(model: Any) -> bool:
    """Whether a model is a module, or a dictionary of tensors."""
    if isinstance(model, torch.nn.Module):
        return True
    return isinstance(model, Mapping) and any(isinstance(value, torch.Tensor) for value in model.values())


def unwrapped(model: Any) -> Any:
    """Return the module inside of what `torch.compile` or data parallelism wrapped around it."""
    while isinstance(model, torch.nn.Module):
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
            inner = model.module
        if inner is None:
            break
        model = inner
    return model


class TorchModels:
    """Copies states into memory of its own, and writes them while training goes on."""

    name = "torch"
    keeps_states = True

    def __init__(self) -> None:
        self._buffers = Buffers()

    def take(self, parts: Parts, folder: Path) -> Callable[[], None]:
        """Copy the states: the memory is used again, so the one before must have been written."""
        model = unwrapped(parts.model)
        training = {
            name: plain
            for name, value in (("optimizer", parts.optimizer), ("scheduler", parts.scheduler), ("extra", parts.extra))
            if (plain := _plain(_state_of(value), name)) not in (None, {})
        }
        state = _plain(model.state_dict() if isinstance(model, torch.nn.Module) else dict(model), "model")
        copied = self._buffers.copy({"model": state, "training": training})

        def write() -> None:
            torch.save(copied["model"], folder / _MODEL)
            if training:
                torch.save(copied["training"], folder / _TRAINING)

        return write

    def parameters(self, model: Any) -> int | None:
        """Return how many numbers are learned; for a dictionary, how many there are."""
        model = unwrapped(model)
        if isinstance(model, torch.nn.Module):
            return sum(parameter.numel() for parameter in model.parameters())
        return sum(value.numel() for value in model.values() if isinstance(value, torch.Tensor))

    def restore(self, folder: Path, parts: Parts, *, strict: bool, trusted: bool) -> Outcome:
        """Fill the model and what else is given; without a model its state is returned.

        The model comes last: what does not fit is found before anything of it is changed.
        """
        state = read_state(folder / _MODEL, in_place=parts.model is not None, trusted=trusted)
        training = (
            read_state(folder / _TRAINING, in_place=False, trusted=trusted) if (folder / _TRAINING).exists() else {}
        )
        if not isinstance(state, Mapping) or not isinstance(training, Mapping):
            raise ArchiveError(
                "The files of this checkpoint do not hold what they should.", hint="Restore another one."
            )
        model, outcome = unwrapped(parts.model), Outcome(parts.model)
        is_module = isinstance(model, torch.nn.Module)
        if is_module:
            insist_on_fit(model, state, strict=strict)
        extra = training.get("extra", {})
        targets = [(name, getattr(parts, name), training.get(name)) for name in ("optimizer", "scheduler")]
        targets += [(name, parts.extra.get(name), saved) for name, saved in extra.items()]
        for name, target, saved in targets:
            _each(name, target, saved, outcome, _insist_on_state)
        before: list[tuple[Any, Any]] = []
        for name, target, _ in targets:
            _each(name, target, None, outcome, lambda _name, one, *_: before.append((one, _kept_state(one))))
        try:
            for name, target, saved in targets:
                _each(name, target, saved, outcome, _fill)
        except BaseException:
            _put_back(before)
            raise
        outcome.extra.update(extra)
        if is_module:
            fill_model(model, state, outcome, strict=strict)
        else:
            outcome.model = state
            if model is not None:
                outcome.not_restored.append(("model", "this cannot be filled: take restored.model"))
        outcome.restored.insert(0, "model")
        return outcome


def _state_of(value: Any) -> Any:
    """Return the state of one or several optimizers and the like."""
    if value is None:
        return None
    if hasattr(value, "state_dict"):
        return value.state_dict()
    if isinstance(value, Mapping):
        return {name: _state_of(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_state_of(one) for one in value]
    raise InputError(
        f"A {type(value).__name__} has no state_dict().", hint="Pass optimizers and schedulers of PyTorch."
    )


def _plain(value: Any, what: str) -> Any:
    """Return a state in the types that PyTorch loads without running code.

    Raises:
        InputError: There is anything else in it.
    """
    if type(value) in _EXACT or isinstance(value, torch.Tensor):
        return value
    if isinstance(value, Mapping):
        return {_plain(key, what): _plain(one, what) for key, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        kind = next(kind for kind in (list, tuple, set) if isinstance(value, kind))
        return kind(_plain(one, what) for one in value)
    if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        return _plain(torch.from_numpy(value.copy()) if value.ndim else value.item(), what)
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    base = next((kind for kind in (bool, int, float, complex, str, bytes) if isinstance(value, kind)), None)
    if base is not None:  # an enumeration, or a kind of number of somebody else
        return base(value)
    raise InputError(
        f"The {what} holds a {type(value).__name__}, which cannot be restored without running code.",
        hint="Keep it out of the state, or pass it as extra=.",
    )


def read_state(path: Path, *, in_place: bool, trusted: bool = False) -> Any:
    """Read a file of PyTorch.

    Args:
        path: The file.
        in_place: Read it when it is used; for what is copied from it at once.
        trusted: Run what the file needs, if it is more than PyTorch loads without.

    Raises:
        TrustError: It needs more than that.
        ArchiveError: It is missing or damaged.
    """
    try:
        in_place = in_place and zipfile.is_zipfile(path)  # files of old versions are none
        return torch.load(path, map_location="cpu", weights_only=not trusted, mmap=in_place)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        raise TrustError(
            f"Loading {path.name} would run code ({wanted[1] if wanted else 'what PyTorch does not load without'}).",
            hint="Pass trusted=True if you trust whoever wrote it.",
        ) from None
    except FileNotFoundError:
        raise ArchiveError(f"{path.name} is missing in this checkpoint.", hint="Restore another one.") from None
    except Exception as error:  # noqa: BLE001 - of many kinds, all of which mean that
        raise ArchiveError(
            f"{path.name} of this checkpoint cannot be read ({reason_of(error)}).",
            hint="Restore another one.",
        ) from None


def insist_on_fit(model: torch.nn.Module, state: Mapping[str, Any], *, strict: bool) -> None:
    """Refuse a state that does not fit a module.

    Raises:
        InputError: A shape is another one, or, if ``strict``, anything is missing or too much.
    """
    here, missing, unexpected = model.state_dict(), *_left_over(model, state)
    wrong = [key for key in here.keys() & state.keys() if _shape(here[key]) != _shape(state[key])]
    if wrong:
        key = min(wrong)
        raise InputError(
            f"{key} has the shape {_shape(here[key])} here and {_shape(state[key])} in the checkpoint.",
            hint="Build the model as it was when it was saved.",
        )
    if strict and (missing or unexpected):
        key = min(missing or unexpected)
        where = "the model but not in the checkpoint" if missing else "the checkpoint but not in the model"
        raise InputError(f"{key} is in {where}.", hint="Build the model as it was, or pass strict=False.")


def _left_over(model: torch.nn.Module, state: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Return what a state has not, and what it has too much."""
    here = set(model.state_dict())
    return here - set(state), set(state) - here


def fill_model(model: torch.nn.Module, state: Mapping[str, Any], outcome: Outcome, *, strict: bool) -> None:
    """Load a state into a module; one that does not fit leaves it as it was.

    Raises:
        InputError: It does not fit.
    """
    insist_on_fit(model, state, strict=strict)
    missing, unexpected = _left_over(model, state)
    model.load_state_dict(state, strict=False)
    outcome.not_restored += [(f"model: {key}", "it is not in the checkpoint") for key in sorted(missing)]
    outcome.not_restored += [(f"model: {key}", "the model has none") for key in sorted(unexpected)]


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


Fill = Callable[[str, Any, Any, Outcome], None]


def _each(name: str, target: Any, saved: Any, outcome: Outcome, fill: Fill) -> None:
    """Do something with each of one or several objects and what was saved of it, as far as there are both."""
    if isinstance(target, Mapping) and isinstance(saved, Mapping) and not hasattr(target, "load_state_dict"):
        for key, one in target.items():
            _each(f"{name} {key}", one, saved.get(key), outcome, fill)
    elif isinstance(target, (list, tuple)) and isinstance(saved, (list, tuple)):
        for number, one in enumerate(target):
            _each(f"{name} {number + 1}", one, saved[number] if number < len(saved) else None, outcome, fill)
    else:
        fill(name, target, saved, outcome)


def _insist_on_state(name: str, target: Any, saved: Any, _: Outcome) -> None:
    """Refuse a state that does not fit, as far as it can be told before anything is changed.

    Raises:
        InputError: It does not.
    """
    if isinstance(target, torch.nn.Module) and isinstance(saved, Mapping):
        insist_on_fit(target, saved, strict=True)
    elif isinstance(target, torch.optim.Optimizer) and isinstance(saved, Mapping):
        sizes = [
            [len(group["params"]) for group in one] for one in (target.param_groups, saved.get("param_groups", []))
        ]
        if sizes[0] != sizes[1]:
            raise _unfit(name, f"it is for groups of {sizes[1]} parameters, and this one has {sizes[0]}")
        _insist_on_kind(name, set(target.param_groups[0]), set(saved["param_groups"][0]))
    elif isinstance(target, torch.optim.lr_scheduler.LRScheduler) and isinstance(saved, Mapping):
        _insist_on_kind(name, set(target.state_dict()), set(saved))


def _insist_on_kind(name: str, here: set[str], saved: set[str]) -> None:
    """Refuse the settings of an optimizer or a scheduler of another kind.

    Versions of PyTorch add settings to one kind, so one set holds the other; another kind lacks some and has others.
    """
    if here - saved and saved - here:
        other = ", ".join(sorted(saved - here)[:3])
        raise _unfit(name, f"it is of another kind, with the settings {other}")


def _kept_state(target: Any) -> Any:
    """Return a state as it is now: modules are filled in place, while optimizers and schedulers get new values."""
    if not hasattr(target, "state_dict"):
        return None
    state = target.state_dict()
    return copy.deepcopy(state) if isinstance(target, torch.nn.Module) else dict(state)


def _put_back(before: list[tuple[Any, Any]]) -> None:
    for target, state in before:
        if state is not None:
            with contextlib.suppress(Exception):  # what refuses its own state is left as it is
                target.load_state_dict(state)


def _fill(name: str, target: Any, saved: Any, outcome: Outcome) -> None:
    """Put a state into an object that takes one."""
    if target is None:
        if saved is not None and name in {"optimizer", "scheduler"}:
            outcome.not_restored.append((name, f"pass {name}= to restore it"))
    elif saved is None:
        outcome.not_restored.append((name, "it was not saved"))
    elif hasattr(target, "load_state_dict"):
        try:
            target.load_state_dict(saved)
        except (ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise _unfit(name, reason_of(error)) from None
        outcome.restored.append(name)
    else:
        outcome.not_restored.append((name, f"what was saved is none of a {type(target).__name__}"))


def _unfit(name: str, reason: str) -> InputError:
    return InputError(
        f"The {name} of the checkpoint does not fit the one given ({reason}).",
        hint="Make it as it was when it was saved, or leave it out.",
    )
