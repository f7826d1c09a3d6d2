"""A session with the driver through a made-up binding: other versions of it, and systems without the stand-in."""

from __future__ import annotations

import ctypes
import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from colabpanel.services.memory.accelerators import nvml as session
from colabpanel.services.memory.accelerators.binding import binding
from colabpanel.services.memory.accelerators.gpu import GpuProcess
from colabpanel.services.memory.accelerators.gpus import _good_for
from colabpanel.services.memory.accelerators.nvml import Nvml, Reading
from colabpanel.services.memory.latest import Latest
from tests.fakes import FakeClock

NO_SUCH_PROCESS = 1 << 23
NOT_SUPPORTED, NO_LIBRARY, LOST, UNKNOWN = 3, 12, 15, 999
FIGURES = {
    "nvmlDeviceGetUtilizationRates": "utilisation",
    "nvmlDeviceGetTemperature": "temperature",
    "nvmlDeviceGetUUID": "uuid",
    "nvmlSystemGetDriverVersion": "driver",
}


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


class Binding:
    """NVIDIA's, with one GPU; each call in `errors` fails with its number."""

    NVMLError = NVMLError
    NVML_ERROR_NOT_SUPPORTED, NVML_ERROR_LIBRARY_NOT_FOUND = NOT_SUPPORTED, NO_LIBRARY
    NVML_TEMPERATURE_GPU = 0
    nvmlMemory_v2 = 2  # noqa: N815 - NVIDIA's name

    def __init__(self) -> None:
        self.errors: dict[str, int] = {}
        self.answers: dict[str, Any] = {
            "nvmlInit": None,
            "nvmlShutdown": None,
            "nvmlSystemGetDriverVersion": "580.1",
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetHandleByIndex": "handle",
            "nvmlDeviceGetName": "Tesla T4",
            "nvmlDeviceGetUUID": "GPU-a",
            "nvmlDeviceGetMigMode": [0, 0],
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=5, total=70),
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=50),
            "nvmlDeviceGetTemperature": 40,
            "nvmlDeviceGetComputeRunningProcesses_v3": [SimpleNamespace(pid=NO_SUCH_PROCESS, usedGpuMemory=4)],
            "nvmlDeviceGetGraphicsRunningProcesses_v3": [],
        }

    def __getattr__(self, name: str) -> Any:
        if name not in self.answers:
            raise AttributeError(name)

        def call(*_: Any, **__: Any) -> Any:
            if name in self.errors:
                raise NVMLError(self.errors[name])
            return self.answers[name]

        return call


class OldBinding(Binding):
    """One from before 2022, as `pynvml` 11.4, which hides NVIDIA's own where both are installed."""

    def __init__(self) -> None:
        super().__init__()
        self.answers |= {"nvmlDeviceGetName": b"Tesla T4", "nvmlSystemGetDriverVersion": b"470.1"}
        for kind in ("Compute", "Graphics"):
            told = self.answers.pop(f"nvmlDeviceGet{kind}RunningProcesses_v3")
            self.answers[f"nvmlDeviceGet{kind}RunningProcesses_v2"] = told

    @property
    def nvmlMemory_v2(self) -> int:  # type: ignore[override]  # noqa: N802 - it is not there
        raise AttributeError("nvmlMemory_v2")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Binding:
    made = Binding()
    monkeypatch.setattr(session, "binding", lambda: made)
    return made


def test_all_figures_are_told(driver: Binding) -> None:
    found, trouble = Nvml().read()
    assert found is not None
    (gpu,) = found
    assert (gpu.name, gpu.uuid, gpu.driver, gpu.used, gpu.total) == ("Tesla T4", "GPU-a", "580.1", 5, 70)
    assert (gpu.utilisation, gpu.temperature) == (0.5, 40)
    assert gpu.processes == (GpuProcess(NO_SUCH_PROCESS, "", 4),)
    assert trouble == ""


@pytest.mark.parametrize(("call", "figure"), FIGURES.items())
def test_one_that_is_not_supported_is_unknown(driver: Binding, call: str, figure: str) -> None:
    driver.errors[call] = NOT_SUPPORTED
    found, trouble = Nvml().read()
    assert found is not None
    assert [name for name, value in vars(found[0]).items() if value is None] == [figure]
    assert trouble == ""


@pytest.mark.parametrize("code", [LOST, UNKNOWN])
def test_a_gpu_that_fails_has_no_figures_until_it_is_back(driver: Binding, clock: FakeClock, code: int) -> None:
    nvml = Nvml(clock=clock)
    nvml.read()
    driver.errors["nvmlDeviceGetTemperature"] = code
    found, trouble = nvml.read()
    assert found is not None
    assert (found[0].name, found[0].used, found[0].total, found[0].processes) == ("Tesla T4", None, None, None)
    assert trouble.startswith("GPU 0 cannot be read: ")
    driver.errors.clear()
    clock.now += 10
    found, trouble = nvml.read()
    assert found is not None
    assert (found[0].used, trouble) == (5, "")


def test_a_driver_without_its_library_is_no_gpu_and_one_that_fails_is_trouble(driver: Binding) -> None:
    driver.errors["nvmlInit"] = NO_LIBRARY
    assert Nvml().read() == Reading((), "")
    driver.errors["nvmlInit"] = UNKNOWN
    assert Nvml().read() == Reading(None, "The GPUs cannot be read: the driver says: error 999.")


def test_a_session_that_cannot_be_closed_is_opened_anew_all_the_same(driver: Binding, clock: FakeClock) -> None:
    nvml = Nvml(clock=clock)
    driver.errors |= {"nvmlDeviceGetTemperature": LOST, "nvmlShutdown": 1}
    nvml.read()
    del driver.errors["nvmlDeviceGetTemperature"]
    clock.now += 10
    assert nvml.read().trouble == ""


@pytest.mark.parametrize(
    ("call", "processes"),
    [
        ("nvmlDeviceGetComputeRunningProcesses_v3", None),
        ("nvmlDeviceGetGraphicsRunningProcesses_v3", (GpuProcess(NO_SUCH_PROCESS, "", 4),)),
    ],
)
def test_who_draws_does_not_tell_whether_anybody_computes(driver: Binding, call: str, processes: Any) -> None:
    driver.errors[call] = NOT_SUPPORTED
    found, trouble = Nvml().read()
    assert found is not None
    assert (found[0].processes, trouble) == (processes, "")


@pytest.mark.parametrize(("reading", "again_after"), [(Reading((), ""), 30.0), (Reading(None, "It hangs."), 1.0)])
def test_a_machine_without_gpus_is_seldom_asked_and_one_with_trouble_as_often_as_others(
    clock: FakeClock, reading: Reading, again_after: float
) -> None:
    readings: list[float] = []

    def read() -> Reading:
        readings.append(clock.now)
        return reading

    latest = Latest(read, name="gpus-of-a-test", keep=_good_for, clock=clock, cost=lambda: 0.0)
    latest.look(30)
    clock.now += again_after - 0.2
    latest.look(30)
    assert len(readings) == 1
    clock.now += 0.2
    latest.look(30)
    assert len(readings) == 2


def test_an_older_binding_is_asked_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "binding", OldBinding)
    found, trouble = Nvml().read()
    assert found is not None
    assert (found[0].name, found[0].driver, found[0].used) == ("Tesla T4", "470.1", 5)
    assert found[0].processes == (GpuProcess(NO_SUCH_PROCESS, "", 4),)
    assert trouble == ""


def test_on_windows_the_binding_finds_the_driver_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Binding()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "pynvml", made)
    assert binding() is made


@pytest.mark.parametrize(
    ("message", "is_told"),
    [
        ("libnvidia-ml.so.1: kann nicht geöffnet werden: Datei oder Verzeichnis nicht gefunden", False),
        ("libnvidia-ml.so.1: kann nicht geöffnet werden: Keine Berechtigung", True),
        ("libother.so: kann nicht geöffnet werden: Datei oder Verzeichnis nicht gefunden", True),
    ],
)
def test_no_driver_is_no_trouble_in_any_language(monkeypatch: pytest.MonkeyPatch, message: str, is_told: bool) -> None:
    def fail(_: str) -> None:
        raise OSError(message)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "strerror", lambda _: "Datei oder Verzeichnis nicht gefunden")
    monkeypatch.setattr(ctypes, "CDLL", fail)
    found, trouble = Nvml().read()
    if is_told:
        assert found is None
        assert message in trouble
    else:
        assert (found, trouble) == ((), "")
