"""Folders that the ``Trainer`` of Transformers has written: taken over as they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, InputError
from colabpanel.services.checkpoints.frameworks._base import Outcome, Parts

__all__ = ["TransformersFolder", "TransformersFolders", "weights_in"]


@dataclass(frozen=True)
class TransformersFolder:
    """One such folder, as it is given to `Checkpoints.save`."""

    path: Path


class TransformersFolders:
    """Copies the files: the trainer may write over them, or delete them, later."""

    name = "transformers"
    keeps_states = False

    def take(self, parts: Parts, folder: Path) -> Callable[[], None]:
        """Copy the files at once."""
        source: Path = parts.model.path
        paths = sorted(source.rglob("*"))
        if not any(path.is_file() for path in paths):
            raise InputError(f"{source} holds nothing that a trainer saved.", hint="Save when the trainer has saved.")
        for path in paths:
            target = folder / path.relative_to(source)
            if path.is_dir():
                target.mkdir(exist_ok=True)
            else:
                shutil.copyfile(path, target)
        return lambda: None

    def parameters(self, model: Any) -> int | None:
        """Return nothing: only the files are at hand."""
        return None

    def restore(self, folder: Path, parts: Parts, *, strict: bool, trusted: bool) -> Outcome:
        """Fill a module with the weights; the rest is for the trainer."""
        import torch

        from colabpanel.services.checkpoints.frameworks.torch_models import fill_model, unwrapped

        state = dict(weights_in(folder))
        model = unwrapped(parts.model)
        if model is not None and not isinstance(model, torch.nn.Module):
            raise InputError("The weights of a trainer are put into its model.", hint="Write restore(model).")
        outcome = Outcome(parts.model if model is not None else state, ["model"])
        if model is not None:
            # weights that are tied are saved once
            tied = {key: value for key, value in model.state_dict().items() if key not in state}
            names = {value.data_ptr(): key for key, value in model.state_dict().items() if key in state}
            state |= {key: state[names[value.data_ptr()]] for key, value in tied.items() if value.data_ptr() in names}
            fill_model(model, state, outcome, strict=strict)
        resume = 'trainer.train(resume_from_checkpoint=str(checkpoints.path("last"))) restores it'
        outcome.not_restored += [(name, resume) for name in ("optimizer", "scheduler")]
        return outcome


def weights_in(folder: Path) -> Iterator[tuple[str, Any]]:
    """Give the weights in a folder, which may be in several files.

    Raises:
        ArchiveError: There are none, or a file is damaged.
    """
    from colabpanel.services.checkpoints.found.reading import damage_in_words
    from colabpanel.services.checkpoints.frameworks.torch_models import read_state
    from colabpanel.services.optional import optional

    found = sorted(folder.glob("*.safetensors"))
    if found:
        library = optional("safetensors.torch", "reading these weights")
        for path in found:
            with damage_in_words(path):
                weights = library.load_file(path)
            yield from weights.items()
        return
    found = sorted(folder.glob("pytorch_model*.bin"))
    if not found:
        raise ArchiveError("There are no weights in this checkpoint.", hint="Restore another one.")
    for path in found:
        state = read_state(path, in_place=True)
        if not isinstance(state, Mapping):
            raise ArchiveError(f"{path.name} holds no weights by name.", hint="Restore another checkpoint.")
        yield from state.items()
