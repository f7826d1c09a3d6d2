"""Which framework a model belongs to."""

from __future__ import annotations

import sys
from typing import Any

from colabpanel.errors import MissingLibraryError
from colabpanel.services.checkpoints.frameworks._base import Framework
from colabpanel.services.checkpoints.frameworks.anything import Anything
from colabpanel.services.checkpoints.frameworks.transformers_folder import TransformersFolder, TransformersFolders

__all__ = ["framework_called", "framework_of"]


def framework_of(model: Any) -> Framework:
    """Return what saves a model. A model that exists has its library loaded."""
    if isinstance(model, TransformersFolder):
        return TransformersFolders()
    if "keras" in sys.modules:
        from colabpanel.services.checkpoints.frameworks.keras_models import KerasModels, is_keras

        if is_keras(model):
            return KerasModels()
    if "torch" in sys.modules:
        from colabpanel.services.checkpoints.frameworks.lightning_trainer import LightningTrainer, is_lightning
        from colabpanel.services.checkpoints.frameworks.torch_models import TorchModels, is_torch

        if is_lightning(model):
            return LightningTrainer()
        if is_torch(model):
            return TorchModels()
    return Anything()


def framework_called(name: str) -> Framework:
    """Return what restores checkpoints of a framework.

    Raises:
        MissingLibraryError: It is not installed.
    """
    try:
        if name == "lightning":
            from colabpanel.services.checkpoints.frameworks.lightning_trainer import LightningTrainer

            return LightningTrainer()
        if name == "torch":
            from colabpanel.services.checkpoints.frameworks.torch_models import TorchModels

            return TorchModels()
        if name == "keras":
            import keras  # noqa: F401 - it must be there

            from colabpanel.services.checkpoints.frameworks.keras_models import KerasModels

            return KerasModels()
    except ImportError:
        raise MissingLibraryError(
            f"This checkpoint was made with {name}, which is not installed.", hint=f"Run: pip install {name}"
        ) from None
    return TransformersFolders() if name == "transformers" else Anything()
