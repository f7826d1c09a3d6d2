"""The house rules that no linter knows: what loads what, sizes, and that names are settled."""

from __future__ import annotations

import ast
import importlib.util
import json
import pkgutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import colabpanel
import colabpanel.services
from colabpanel._public import HOMES

PACKAGE = Path(colabpanel.__file__).parent
NEED = {
    "lightning_trainer": "torch",
    "torch_buffers": "torch",
    "torch_models": "torch",
    "keras_models": "keras",
    "for_keras": "keras",
    "for_lightning": "lightning",
    "for_transformers": "transformers",
    "jax_arrays": "jax",
    "tensorflow_tensors": "tensorflow",
    "torch_tensors": "torch",
}
"""Codecs of libraries that need not be here."""
SERVICES = [
    module.name
    for module in pkgutil.walk_packages(colabpanel.services.__path__, "colabpanel.services.")
    if importlib.util.find_spec(NEED.get(module.name.rpartition(".")[2], "sys")) is not None
]
MODULES = sorted(PACKAGE.rglob("*.py"))


FORBIDDEN = {"ipywidgets", "IPython", "ipyfilechooser", "traitlets", "anywidget", "voila", "tornado"}
IMPORT_EACH = """
import importlib, json, sys
found = {}
for module, library in json.load(sys.stdin):
    if library:
        importlib.import_module(library)
    before = set(sys.modules)
    importlib.import_module(module)
    found[module] = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(json.dumps(found))
"""


def _loaded_by(*modules: str) -> dict[str, set[str]]:
    """Tell what each loads beyond those before it, and beyond the library it is for, in a fresh process."""
    each = sorted(((module, NEED.get(module.rpartition(".")[2], "")) for module in modules), key=lambda one: one[1])
    command = [sys.executable, "-c", IMPORT_EACH]
    done = subprocess.run(command, input=json.dumps(each), capture_output=True, text=True, check=True)
    return {module: set(names) for module, names in json.loads(done.stdout).items()}


def test_services_load_no_widgets() -> None:
    found = _loaded_by(*SERVICES, "colabpanel.jobs", "colabpanel.errors", "colabpanel.cli")
    assert {module: names & FORBIDDEN for module, names in found.items() if names & FORBIDDEN} == {}


def test_importing_the_package_loads_next_to_nothing() -> None:
    assert _loaded_by("colabpanel")["colabpanel"] - set(sys.stdlib_module_names) == {"colabpanel"}


def test_every_public_name_exists_and_nothing_else_is_promised() -> None:
    for name in colabpanel.__all__:
        assert getattr(colabpanel, name) is not None
    assert set(colabpanel.__all__) == set(HOMES) | {"__version__"}
    assert set(colabpanel.__all__) <= set(dir(colabpanel))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = colabpanel.nonsense


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function, its docstring left out."""
    docstring = ast.get_docstring(function, clean=False)
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    return lines - (docstring.count("\n") + 1 if docstring else 0)


def test_files_fit_in_the_head_and_functions_on_the_screen() -> None:
    long_files = {path.name: lines for path in MODULES if (lines := path.read_text().count("\n")) > 330}
    assert not long_files
    lengths = [_length(function) for path in MODULES for function in _functions(path)]
    assert statistics.median(lengths) <= 11
    assert statistics.quantiles(lengths, n=10)[-1] <= 30
    assert max(lengths) <= 50


def test_every_module_says_what_it_is_for() -> None:
    assert [path.name for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_the_product_names_no_folder_of_its_makers() -> None:
    folder = "sha" + "red/"
    texts = [*MODULES, *PACKAGE.rglob("*.css"), *PACKAGE.parent.glob("*.md"), *PACKAGE.parent.glob("docs/*.md")]
    assert [path.name for path in texts if folder in path.read_text()] == []
