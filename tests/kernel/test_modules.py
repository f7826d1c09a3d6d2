"""Modules in a real kernel: added in a cell, reloaded before the next one."""

from __future__ import annotations

from pathlib import Path

from tests.kernel.conftest import Run


def test_a_module_is_reloaded_before_the_next_cell(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "code" / "cp_kernel.py"
    file.parent.mkdir()
    file.write_text("class Model:\n    def name(self):\n        return 'old'\n\ndef f(x):\n    return x\n")
    assert run(f"import colabpanel\nprint(colabpanel.add_module_path({str(file.parent)!r}).imported)") == (
        "('cp_kernel',)\n"
    )
    run("from cp_kernel import Model, f\nmodel = Model()\nreloader = colabpanel.reload_modules()")
    file.write_text(file.read_text().replace("'old'", "'new one'").replace("return x", "return x + 1"))
    assert run("print(f(1), model.name(), isinstance(model, cp_kernel.Model))") == "2 new one True\n"
    file.write_text("def f(x:\n")
    assert run("print(f(1), [event.error[:11] for event in reloader.events()])") == "2 ['SyntaxError', '']\n"
    run("colabpanel.reload_modules(False)")
    file.write_text("def f(x):\n    return 'newest'\n")
    assert run("print(f(1))") == "2\n"
