from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from colabpanel.services.modules import adding


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the import path and the loaded modules as they were."""
    monkeypatch.setattr(adding, "_added", {})
    monkeypatch.setattr(adding, "_reloaders", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and "pytest-of" in str(sys.modules[name].__file__):
            del sys.modules[name]
