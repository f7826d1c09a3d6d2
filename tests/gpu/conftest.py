"""Tests in this folder need an NVIDIA GPU; where there is none they are skipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if shutil.which("nvidia-smi") is None:
                item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU here"))
