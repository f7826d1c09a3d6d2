from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from colabpanel.errors import InputError
from colabpanel.panel import Panel
from colabpanel.services.modules import adding
from colabpanel.services.modules.installing import Installation
from colabpanel.services.modules.models import AddedModules
from colabpanel.services.modules.remembering import remember
from colabpanel.tabs import _module_add_card, _module_needs_card
from colabpanel.tabs.modules import ModulesTab
from colabpanel.widgets import basics
from tests.fakes import FakeHost

EVIL = "<img src=x>"


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(adding, "_added", {})
    monkeypatch.setattr(adding, "_reloaders", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.startswith("cp_tab_")]:
        del sys.modules[name]


def _tab(panel: Panel) -> ModulesTab:
    panel.select("modules")
    tab = panel.tabs["modules"]
    assert isinstance(tab, ModulesTab)
    return tab


def test_modules_are_added_reloaded_and_removed(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    folder = tmp_path / EVIL
    folder.mkdir()
    (folder / "cp_tab_a.py").write_text("VALUE = 1\n")
    panel = make_panel(host)
    tab = _tab(panel)
    tab.add.add_button.click()
    assert "Nothing is chosen." in tab.notice.value
    tab.add.source.text.value = str(folder)
    assert "add_module_path" in tab.add.code.value
    tab.add.add_button.click()
    tick(panel)
    assert "imported cp_tab_a." in tab.add.jobs.message.value
    assert EVIL not in tab.paths.table.value + tab.add.jobs.message.value
    assert "loaded" in tab.paths.table.value
    tab.paths.live.value = True
    assert adding.reloader_of(host).enabled
    (folder / "cp_tab_a.py").write_text("VALUE = 22\n")
    tab.paths.look()
    assert "changed" in tab.paths.table.value
    tab.paths.reload_button.click()
    tick(panel)
    assert "Reloaded 1 module." in tab.paths.message.value
    assert host.variables["cp_tab_a"].VALUE == 22
    (folder / "cp_tab_a.py").write_text("VALUE = (\n")
    tab.paths.reload_button.click()
    tick(panel)
    assert "Reloaded 0 modules. 1 module stayed as before." in tab.paths.message.value
    tab.paths.live.value = False
    tab.paths.remove_button.click()
    assert "1 module was unloaded" in tab.paths.message.value
    assert "Nothing was added" in tab.paths.table.value
    tab.paths.remove_button.click()
    assert "Nothing is chosen." in tab.notice.value


def test_what_was_added_earlier_is_offered(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    (tmp_path / "cp_tab_b.py").write_text("1 / 0")
    panel = make_panel(host)
    tab = _tab(panel)
    assert tab.add.again_row.layout.display == "none"
    tab.add.again_button.click()
    assert "Nothing is chosen." in tab.notice.value
    tab.add.source.text.value = str(tmp_path / "cp_tab_b.py")
    tab.add.import_it.value = False
    tab.add.add_button.click()
    tick(panel)
    assert "1 module can be imported." in tab.add.jobs.message.value
    assert "not imported" in tab.paths.table.value
    tab.add.import_it.value = True
    tab.add.again_button.click()
    tick(panel)
    assert "ZeroDivisionError" in tab.add.jobs.message.value


def test_a_token_is_not_saved_with_the_notebook(
    make_panel: Callable[..., Panel],
    host: FakeHost,
    tick: Callable[[Panel], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[str] = []

    def add(source: str, **_: object) -> AddedModules:
        given.append(source)
        remember(host, source)
        raise InputError("It is not there.")

    monkeypatch.setattr(_module_add_card, "add_module_path", add)
    panel = make_panel(host)
    tab = _tab(panel)
    tab.add.source.text.value = "https://TOKEN@example.org/me/private.git"
    for _ in range(2):
        tab.add.add_button.click()
        tick(panel)
    assert given == ["https://TOKEN@example.org/me/private.git"] * 2
    tab.add.show_earlier()
    held = repr([widget.get_state() for widget in basics._tree(tab.widget, set())])
    assert "example.org/me/private.git" in held
    assert "TOKEN" not in held


def test_requirements_are_looked_at(
    make_panel: Callable[..., Panel],
    host: FakeHost,
    tmp_path: Path,
    tick: Callable[[Panel], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "a.txt").write_text("psutil\ncp-nowhere\n")
    panel = make_panel(host)
    needs = _tab(panel).needs
    needs.check_button.click()
    assert "Nothing is chosen." in _tab(panel).notice.value
    needs.path.text.value = str(tmp_path / "a.txt")
    needs.check_button.click()
    tick(panel)
    assert "1 of 2 requirements are not met." in needs.jobs.message.value
    assert "missing" in needs.table.value
    change = Installation((), (), ())
    monkeypatch.setattr(_module_needs_card, "plan_installation", lambda *_, **__: change)
    monkeypatch.setattr(_module_needs_card, "install_requirements", lambda *_, **__: change)
    needs.plan_button.click()
    tick(panel)
    assert "Nothing is missing." in needs.jobs.message.value
    needs.install_button.click()
    tick(panel)
    assert "nothing was installed" in needs.jobs.message.value


def test_the_dashboard_has_no_such_tab(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    host.is_served = True
    assert "modules" not in [entry.name for entry in make_panel(host)._entries]


def test_removing_twice_removes_one(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    panel = make_panel(host)
    tab = _tab(panel)
    for name in ("c", "d"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"cp_tab_{name}.py").write_text("")
        tab.add.source.text.value = str(tmp_path / name)
        tab.add.add_button.click()
        tick(panel)
    tab.paths.remove_button.click()
    tab.paths.remove_button.click()
    assert "Nothing is chosen." in tab.notice.value
    assert len(tab.paths.chosen.options) == 1


def test_a_reload_that_fails_is_told(
    make_panel: Callable[..., Panel], host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = _tab(make_panel(host))

    def fail() -> None:
        raise OSError("gone")

    monkeypatch.setattr(adding.reloader_of(host), "reload_changed", fail)
    for _ in range(2):
        tab.paths.reload_button.click()
        assert "Unexpected error." in tab.paths.message.value


def test_what_is_told_of_requirements_is_of_the_path(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    (tmp_path / "requirements.txt").write_text("pytest\n")
    panel = make_panel(host)
    needs = _tab(panel).needs
    needs.path.text.value = str(tmp_path / "requirements.txt")
    needs.check_button.click()
    tick(panel)
    assert "pytest" in needs.table.value
    needs.path.text.value = str(tmp_path / "other.txt")
    assert needs.table.layout.display == "none"
    assert needs.jobs.message.value == ""
